"""Small stage from its sweep to its page."""

from pathlib import Path

import numpy as np
import pytest

import analysis
from coupling import Scenario, run
from coupling.cli.app import main
from reproduction import stages, tables
from reproduction.measures import accuracy_at, measures, spent
from reproduction.page import Page
from reproduction.stages import Stage, StagePlan, StageSweep
from reproduction.verdicts import Claim, Contrast

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = str(ROOT / "scenarios" / "paper" / "base.toml")
STAGE = Stage(
    title="",
    scenario=BASE,
    seeds={"cpu": "1:4"},
    vary={"scheduler.kind": ["all_in", "aaba"]},
    variants={"a": StageSweep(set={"rounds": 5})},
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the runs of a small stage."""
    folder = tmp_path_factory.mktemp("runs")
    [command] = stages.commands(
        StagePlan(settings={}, stages={"small": STAGE}),
        "small",
        "cpu",
        runs=folder,
        data=None,
        jobs=1,
    )
    assert main(list(command.arguments)) == 0
    return folder


def test_a_stage_becomes_a_table_and_a_page_with_verdicts(runs: Path, tmp_path: Path) -> None:
    table = tables.table(STAGE, tables.variants("small", STAGE, "cpu", runs=runs))
    tables.write(table, tmp_path / "small.csv")
    kept = tables.read(tmp_path / "small.csv")

    assert list(kept.seed) == [1, 2, 3] * 2
    assert (kept[kept["scheduler.kind"] == "all_in"].scheduled_total == 100).all()
    contrast = Contrast(measure="scheduled_mean", plus=["small/a/all_in"], minus=["small/a/aaba"])
    claims = {
        "more": Claim(
            says="All-in schedules more", source="ours", family="devices", contrasts=[contrast]
        )
    }
    plan = StagePlan(settings={}, stages={"small": STAGE})
    page = Page({"small": kept}, claims, plan).render(
        "{{claims}}\n\n{{table small scheduled_mean delay_mean_s}}\n"
    )
    assert "| devices | All-in schedules more | ours | All-in − AABA: " in page
    assert "; 3; 0.938) | " in page
    assert " | **held** |" in page
    assert "| a, All-in | 3 | 20 | no mean |" in page


def test_a_stage_whose_runs_are_missing_names_the_command(runs: Path) -> None:
    other = STAGE.model_copy(update={"variants": {"b": StageSweep()}})

    with pytest.raises(tables.MissingRunsError, match="has no runs; make reproduce STAGE=small"):
        tables.variants("small", other, "cpu", runs=runs)


def test_measures_of_a_run_are_those_of_its_tables(tmp_path: Path) -> None:
    scenario = Scenario.load(
        BASE, {"rounds": 30, "scheduler.kind": "aaba", "trace.devices": "scheduled"}
    )
    result = analysis.load(run(scenario, tmp_path / "run", learning=False))

    numbers = measures(result)

    assert numbers["scheduled_total"] == result.devices.scheduled.sum()
    own_m = result.devices.groupby("device").distance_m.first()
    assert numbers["nearer_m"] == pytest.approx(own_m.mean() - result.devices.distance_m.mean())
    assert numbers["scheduled_log"] == pytest.approx(np.log(result.rounds.scheduled.mean()))


@pytest.mark.slow
def test_the_full_scale_runs_shortened(tmp_path: Path) -> None:
    settings = stages.settings_of(stages.read(), "fig3-sst2", "all", scale="full", data=None)
    # BERT-base and SST-2 would have to be downloaded.
    little = {
        "learner.model": "minilm",
        "learner.data": {"name": "movie_reviews", "test_size": 20},
        "rounds": 2,
    }
    scenario = Scenario.load(ROOT / "scenarios" / "paper" / "sst2.toml", settings | little)
    result = analysis.load(run(scenario, tmp_path / "run"))

    assert scenario.learner is not None
    assert scenario.learner.batch_size == 32
    for cost in ("bits", "time_s", "energy_j"):
        amounts, accuracies = spent(result, cost)
        assert (np.diff(amounts) > 0).all()
        assert accuracy_at(result, cost, 2 * amounts[-1]) == accuracies[-1]
    assert np.diff(spent(result, "bits")[0]).sum() == 51_904_512 * result.rounds.scheduled.sum()
