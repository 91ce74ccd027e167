"""A run in memory: the same numbers, figures and report as the run in a directory."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.written_runs import four_rounds

import analysis
from analysis.figures import FIGURES, draw
from analysis.policies import policy_table
from analysis.report.data import report_data
from analysis.timeline import timeline

TABLES = ("rounds", "devices", "transfers", "evaluations")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return four_rounds(tmp_path / "run")


def in_memory(path: Path, **changes: Any) -> analysis.Run:
    """Return a run directory's contents as a run without a directory."""
    tables = {name: pq.read_table(path / name) for name in TABLES}
    scenario = tomllib.loads((path / "scenario.toml").read_text()) | changes
    provenance = json.loads((path / "provenance.json").read_text())
    return analysis.Run.from_tables(tables, scenario, provenance)


def test_its_tables_are_those_of_the_directory(written: Path) -> None:
    memory, directory = in_memory(written), analysis.load(written)

    for name in (*TABLES, "queue", "shares", "decisions"):
        pd.testing.assert_frame_equal(getattr(memory, name), getattr(directory, name))
    assert memory.scenario == directory.scenario
    assert memory.provenance == directory.provenance
    assert memory.learned
    assert memory.table("rounds", ["energy_j"], (3, 3)).energy_j.tolist() == [2.0]
    assert memory.arrays("rounds", "round")["round"].tolist() == [1, 2, 3, 4]


def test_its_summary_differs_in_the_name_only(written: Path) -> None:
    memory, directory = (
        analysis.summary(in_memory(written)),
        analysis.summary(analysis.load(written)),
    )

    assert memory.pop("run") == "run in memory"
    assert directory.pop("run") == str(written)
    assert memory == directory


def test_without_a_wall_time_its_summary_has_none(written: Path) -> None:
    run = in_memory(written)
    del run.provenance["wall_s"]

    assert analysis.summary(run)["wall_s"] is None


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "battery"])
def test_every_figure_draws_it(name: str, written: Path) -> None:
    assert draw(name, analysis.Runs([in_memory(written)])).axes


def test_the_figure_of_batteries_needs_a_run_with_batteries(written: Path) -> None:
    with pytest.raises(analysis.TraceError, match="has no batteries"):
        draw("battery", analysis.Runs([in_memory(written)]))


def test_it_has_a_report_a_timeline_and_a_place_in_comparisons(written: Path) -> None:
    greedy = {"kind": "greedy", "delay_budget_s_per_bit": 0.002}
    runs = analysis.Runs([in_memory(written), in_memory(written, scheduler=greedy)])

    assert set(analysis.compare(runs).difference) == {0.0}
    assert policy_table(runs).policy.tolist() == ["exact", "greedy"]
    data = report_data(runs)
    assert [run["name"] for run in data["runs"]] == [
        "policy exact, seed 1",
        "policy greedy, seed 1",
    ]
    assert 'kind = "greedy"' in data["runs"][1]["scenario"]
    assert timeline(runs[0])["otherData"] == {"run": "run in memory"}


def test_a_missing_column_or_directory_is_one_line(written: Path) -> None:
    run = in_memory(written)

    with pytest.raises(analysis.TraceError, match="rounds has no column 'jitter_s'; it has round"):
        run.table("rounds", ["jitter_s"])
    with pytest.raises(
        analysis.TraceError, match="the run is in memory and has no directory; give"
    ):
        _ = run.path
