"""Runs of schema version 1: read under the present names, beside runs of version 2."""

import json
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tomli_w

import analysis
from analysis.figures import FIGURES, draw
from analysis.report.data import report_data
from analysis.runs import scenario_value
from analysis.timeline import timeline

OLD = Path(__file__).parent / "schema_1_run"
"""A run of four devices and four rounds by the last version that wrote schema 1."""


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Return the same run as version 2 would write it, with another policy."""
    run = tmp_path / "new"
    scenario = tomllib.loads((OLD / "scenario.toml").read_text())
    scenario["scheduler"]["csi"] = scenario["scheduler"].pop("knowledge")
    scenario["scheduler"]["kind"] = "greedy"
    provenance = json.loads((OLD / "provenance.json").read_text())
    provenance |= {"schema": "2", "setup_sha256": "0"}
    run.mkdir()
    (run / "scenario.toml").write_text(tomli_w.dumps(scenario))
    (run / "provenance.json").write_text(json.dumps(provenance))
    for part in OLD.glob("*/*.parquet"):
        (run / part.parent.name).mkdir()
        pq.write_table(as_version_2(pq.read_table(part)), run / part.relative_to(OLD))
    return run


def as_version_2(table: pa.Table) -> pa.Table:
    if "leg" in table.column_names:
        place = table.column_names.index("leg")
        legs = pc.replace_substring(table["leg"], "symbols", "payload")
        table = table.set_column(place, "leg", legs)
    return table.replace_schema_metadata(table.schema.metadata | {b"airtune.schema": b"2"})


def test_the_fixture_is_a_run_of_schema_1() -> None:
    scenario = tomllib.loads((OLD / "scenario.toml").read_text())

    assert json.loads((OLD / "provenance.json").read_text())["schema"] == "1"
    assert scenario["scheduler"]["knowledge"] == {"kind": "delayed", "blocks": 1}
    assert set(pq.read_table(OLD / "transfers")["leg"].to_pylist()) == {"symbols"}


def test_its_tables_have_the_present_names() -> None:
    run = analysis.load(OLD)

    assert run.transfers.leg.tolist() == ["payload"] * 7
    assert run.table("transfers", ["leg", "bits"], rounds=(2, 2)).leg.tolist() == ["payload"] * 2
    assert run.arrays("transfers", "leg")["leg"].tolist() == ["payload"] * 7
    assert run.rounds.scheduled.tolist() == [1, 2, 0, 4]
    assert run.evaluations["round"].tolist() == [0, 2, 4]
    assert len(run.devices) == 16
    assert len(run.decisions) == 4
    assert len(run.shares) == 8


def test_its_scenario_has_the_present_keys() -> None:
    run = analysis.load(OLD)

    assert run.scenario["scheduler"]["csi"] == {"kind": "delayed", "blocks": 1}
    assert "knowledge" not in run.scenario["scheduler"]
    for name in ("knowledge", "csi"):
        assert scenario_value(run, f"scheduler.{name}.blocks") == 1


def test_it_compares_with_a_run_of_schema_2(new: Path) -> None:
    runs = analysis.load_many([OLD, new])

    assert list(runs.keys) == ["policy", "seed"]
    table = analysis.compare(runs, metrics=["delay_median_s", "accuracy_last"])
    assert table.policy.tolist() == ["greedy", "greedy"]
    assert table.difference.tolist() == [0.0, 0.0]
    assert runs.table("transfers").leg.unique().tolist() == ["payload"]
    assert [len(runs) for runs in runs.groups("scheduler.csi.kind").values()] == [2]


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "battery"])
def test_every_figure_shows_it_beside_a_run_of_schema_2(name: str, new: Path) -> None:
    figure = draw(name, analysis.load_many([OLD, new]))

    assert figure.axes


def test_report_and_timeline_show_the_present_names(new: Path) -> None:
    data = report_data(analysis.load_many([OLD, new]))
    events = timeline(analysis.load(OLD))["traceEvents"]

    assert [run["legs"] for run in data["runs"]] == [["payload"], ["payload"]]
    assert "[scheduler.csi]" in data["runs"][0]["scenario"]
    assert {entry["name"] for entry in events if entry["ph"] == "X" and entry["pid"] == 2} == {
        "payload"
    }
