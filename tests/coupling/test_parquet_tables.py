"""Parquet files of a run: units, meanings, schema version and nulls."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command_line import NETWORK

import analysis
import coupling
from coupling import Scenario
from coupling.run_directory.schema import SCHEMA_VERSION, TABLES, schema
from coupling.run_directory.writer import TableWriter


@pytest.fixture
def out(folder: Path, tiny_learner: str) -> Path:
    """Return the directory of a run in which every table has rows."""
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)
    return coupling.run(Scenario.load(folder / "tiny.toml"), folder / "out")


def test_every_file_has_units_meanings_and_the_schema_version(
    out: Path,
) -> None:
    for name, columns in TABLES.items():
        parts = sorted((out / name).glob("part-*.parquet"))
        assert parts, f"{name} has no part"
        for part in parts:
            read = pq.read_schema(part)
            assert (
                read.metadata[b"airtune.schema"].decode()
                == SCHEMA_VERSION
                == analysis.SCHEMA_VERSION
            )
            assert read.metadata[b"airtune.table"].decode() == name
            assert read.names == [column.name for column in columns]
            for column in columns:
                stored = read.field(column.name)
                assert stored.metadata[b"unit"].decode() == column.unit
                assert stored.metadata[b"description"].decode() == column.description
                assert stored.nullable == column.nullable


def test_every_column_has_a_sentence_and_every_quantity_a_unit() -> None:
    for name, columns in TABLES.items():
        assert len({column.name for column in columns}) == len(columns)
        for column in columns:
            assert column.description.endswith("."), f"{name}.{column.name}"
            assert bool(column.unit) == pa.types.is_floating(column.type) or pa.types.is_integer(
                column.type
            )


SUFFIXES = {"_s": "s", "_m": "m", "_hz": "Hz", "_bps": "bit/s", "_j": "J"}


def test_the_unit_in_a_name_is_the_unit_in_the_file() -> None:
    for columns in TABLES.values():
        for column in columns:
            for suffix, unit in SUFFIXES.items():
                if column.name.endswith(suffix):
                    assert column.unit == unit, column.name


def test_only_nullable_columns_have_nulls_and_no_column_has_nan(out: Path) -> None:
    nulls = set()
    for name, columns in TABLES.items():
        table = pq.read_table(out / name)
        for column in columns:
            values = table[column.name]
            assert values.type == column.type
            if values.null_count:
                nulls.add(f"{name}.{column.name}")
                assert column.nullable, f"{name}.{column.name}"
            if pa.types.is_floating(column.type):
                assert not any(value != value for value in values.drop_null().to_pylist())
    assert {
        "devices.bandwidth_hz",
        "devices.bits",
        "devices.loss",
        "evaluations.accuracy_trained",
    } <= nulls


def test_the_tables_of_the_design_have_at_least_its_columns() -> None:
    assert {
        "round", "start_s", "end_s", "air_time_s", "scheduled", "arrived", "delay_predicted_s",
        "delay_s", "delay_budget_s", "virtual_queue_before_s", "virtual_queue_s", "objective",
        "train_loss", "panel_loss", "energy_j", "policy_wall_s", "learner_wall_s",
    } <= set(schema("rounds").names)  # fmt: skip
    assert {
        "round", "device", "x_m", "y_m", "distance_m", "gain", "scheduled", "bandwidth_hz",
        "rate_bps", "bits", "delay_s", "energy_j", "loss",
    } <= set(schema("devices").names)  # fmt: skip
    assert {
        "round", "device", "leg", "direction", "bits", "bits_delivered", "start_s", "end_s",
        "bandwidth_hz", "rate_bps", "status",
    } <= set(schema("transfers").names)  # fmt: skip
    assert {
        "round", "time_s", "air_time_s", "loss", "accuracy", "accuracy_trained", "accuracy_min",
        "accuracy_max", "heads_trained",
    } <= set(schema("evaluations").names)  # fmt: skip


def test_rows_of_an_interrupted_round_are_not_written(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path)
    row = {column.name: 0 for column in TABLES["evaluations"]}
    writer.write({"evaluations": [(1, row)]})

    with pytest.raises(KeyError, match="time_s"):
        writer.write({"evaluations": [(1, row), (1, {"round": 1})]})
    writer.flush()

    assert writer.parts()["evaluations"] == 0


def test_a_table_without_rows_has_its_columns(folder: Path) -> None:
    # The queue is too long for any device to be scheduled, and no learner is evaluated.
    scenario = Scenario.load(folder / "network.toml", {"scheduler.queue_initial_budgets": 1e9})

    trace = analysis.load(coupling.run(scenario, folder / "out"))

    assert len(trace.transfers) == len(trace.evaluations) == 0
    assert list(trace.transfers) == [column.name for column in TABLES["transfers"]]
    assert list(trace.evaluations) == [column.name for column in TABLES["evaluations"]]
