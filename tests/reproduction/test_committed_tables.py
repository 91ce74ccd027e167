"""Committed tables: some rows, run again."""

from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.intervals import mean_interval
from coupling import Scenario, run
from reproduction import stages, tables
from reproduction.measures import COUNTED, REAL, WHOLE, measures

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = stages.read()
TABLES = sorted((ROOT / "docs" / "reproduction").glob("*.csv"))
COMMITTED = {path.stem for path in TABLES}
ROWS = [
    ("radio", "start0/algorithm1", 4),
    ("radio", "start5/greedy", 30),
    ("sensitivity", "zeta-large/exact", 2),
    ("sensitivity", "vehicular/algorithm1", 7),
    ("budgets", "start5/aaba/4e-06", 11),
    ("budgets", "start5/algorithm1/1e-06", 3),
    ("sensitivity", "calibrated/greedy", 9),
    ("fig3-sst2", "all/algorithm1", 5),
    ("order", "all/reproduction.ordered:Ordered/ascending", 1),
]

LEARNED = [("fig3-sst2", "all/aaba", 3), ("fig3-sst2-sgd", "all/greedy", 12)]


def again(
    stage: str, row: "pd.Series[object]", folder: Path, data: Path | None = None
) -> dict[str, object]:
    """Return the measures of a table row, run again; with data also those of learning."""
    keys = {str(key): value for key, value in row.items() if "." in str(key) and not pd.isna(value)}
    settings = stages.settings_of(
        PLAN, stage, str(row["variant"]), scale="cpu", data=str(data) if data else None
    )
    file = PLAN.stages[stage].variants[str(row["variant"])].scenario or PLAN.stages[stage].scenario
    scenario = Scenario.load(ROOT / file, {**settings, **keys, "seed": int(row["seed"])})
    return measures(analysis.load(run(scenario, folder, learning=data is not None)))


@pytest.mark.parametrize(("stage", "runs", "seed"), [row for row in ROWS if row[0] in COMMITTED])
def test_a_row_of_a_committed_table_is_reproduced(
    stage: str, runs: str, seed: int, tmp_path: Path
) -> None:
    table = tables.read(ROOT / "docs" / "reproduction" / f"{stage}.csv")
    row = tables.groups(table)[runs].reset_index().set_index("seed", drop=False).loc[seed]

    numbers = again(stage, row, tmp_path / "run")

    for name in WHOLE:
        assert numbers[name] == row[name], name
    for name in (*REAL, *COUNTED):
        if name in COUNTED and pd.isna(row.get(name)):
            continue
        assert numbers[name] == pytest.approx(row[name], rel=1e-9, abs=1e-9), name


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "runs", "seed"), LEARNED)
def test_a_row_of_a_learning_table_is_reproduced_within_its_interval(
    stage: str, runs: str, seed: int, tmp_path: Path, shared_data: Path
) -> None:
    rows = tables.groups(tables.read(ROOT / "docs" / "reproduction" / f"{stage}.csv"))[runs]
    row = rows.reset_index().set_index("seed", drop=False).loc[seed]

    numbers = again(stage, row, tmp_path / "run", data=shared_data)

    for name in ("train_loss", "test_loss", "accuracy"):
        half = mean_interval(rows[name].to_numpy(float)).high - rows[name].mean()
        assert numbers[name] == pytest.approx(row[name], abs=half), name


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_committed_table_has_every_run_that_its_stage_plans(path: Path) -> None:
    stage = PLAN.stages[path.stem]
    table = tables.read(path)
    assert set(table["variant"]) <= set(stage.variants)
    for name, rows in tables.groups(table).items():
        seeds = stage.variants[name.split("/")[0]].seeds or stage.seeds
        first, end = map(int, seeds["cpu"].split(":"))
        assert list(rows.index) == list(range(first, end)), name
