"""Run directories written by hand: given columns, and defaults for all others."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from coupling.run_directory.schema import SCHEMA_VERSION, TABLES, schema

SCENARIO: dict[str, Any] = {
    "seed": 1,
    "rounds": 4,
    "cell": {"position_m": [0.0, 0.0]},
    "devices": {"count": 3, "tx_power_w": 1.0, "placement": {"kind": "disc"}},
    "protocol": {"kind": "aggregate", "payload_bit": 1000.0},
    "scheduler": {"kind": "exact", "delay_budget_s_per_bit": 0.002},
}


def write_run(
    folder: Path,
    tables: Mapping[str, Mapping[str, Sequence[Any]]],
    scenario: Mapping[str, Any] | None = None,
    *,
    schema_version: str = SCHEMA_VERSION,
    parts: int = 1,
) -> Path:
    """Write a run directory with the columns of ``tables``; the others are 0, empty or null."""
    folder.mkdir(parents=True)
    (folder / "scenario.toml").write_text(tomli_w.dumps({**SCENARIO, **(scenario or {})}))
    facts = {
        "schema": schema_version,
        "state": "finished",
        "wall_s": 1.5,
        "seed": 1,
        "versions": {},
    }
    (folder / "provenance.json").write_text(json.dumps(facts))
    for name, columns in tables.items():
        write_table(folder / name, name, columns, version=schema_version, parts=parts)
    return folder


def write_table(
    folder: Path, name: str, columns: Mapping[str, Sequence[Any]], *, version: str, parts: int
) -> None:
    rows = len(next(iter(columns.values())))
    wanted = schema(name)
    unknown = set(columns) - set(wanted.names)
    assert not unknown, f"the schema has no {unknown}"
    arrays = [
        _array(wanted.field(column.name), columns.get(column.name), rows) for column in TABLES[name]
    ]
    table = pa.Table.from_arrays(arrays, schema=wanted).replace_schema_metadata(
        {"airtune.schema": version}
    )
    folder.mkdir()
    for number, index in enumerate(np.array_split(np.arange(rows), parts)):
        pq.write_table(table.take(pa.array(index)), folder / f"part-{number:06d}.parquet")


def _array(field: pa.Field, given: Sequence[Any] | None, rows: int) -> pa.Array:
    if given is not None:
        return pa.array(list(given), type=field.type)
    if field.nullable:
        return pa.nulls(rows, field.type)
    blank: Any = (
        "" if pa.types.is_string(field.type) else False if pa.types.is_boolean(field.type) else 0
    )
    return pa.array([blank] * rows, type=field.type)


def four_rounds(
    folder: Path, scenario: Mapping[str, Any] | None = None, **changed: Sequence[Any]
) -> Path:
    """Write a run of 4 rounds and 3 devices.

    Device 0 takes part in three rounds, device 1 in one, device 2 in none.
    """
    rounds: dict[str, Sequence[Any]] = {
        "round": [1, 2, 3, 4],
        "start_s": [0.0, 1.0, 4.0, 6.0],
        "end_s": [1.0, 4.0, 6.0, 8.0],
        "scheduled": [1, 2, 1, 0],
        "arrived": [1, 2, 1, 0],
        "delay_s": [1.0, 3.0, 2.0, 0.0],
        "delay_budget_s": [2.0] * 4,
        "virtual_queue_before_s": [0.0, 0.0, 1.0, 1.0],
        "virtual_queue_s": [0.0, 1.0, 1.0, 0.0],
        "energy_j": [1.0, 5.0, 2.0, 0.0],
        "train_loss": [0.9, 0.8, 0.7, None],
        "policy_wall_s": [1e-4, 2e-4, 3e-4, 4e-4],
    }
    participants = [(1, 0), (2, 0), (2, 1), (3, 0)]
    pairs = [(round_number, device) for round_number in range(1, 5) for device in range(3)]
    devices = {
        "round": [round_number for round_number, _ in pairs],
        "device": [device for _, device in pairs],
        "scheduled": [pair in participants for pair in pairs],
        "x_m": [100.0 * device for _, device in pairs],
        "y_m": [10.0 * round_number for round_number, _ in pairs],
        "energy_j": [2.0 if pair in participants else None for pair in pairs],
    }
    transfers = {
        "round": [1, 2, 2, 3],
        "device": [0, 0, 1, 0],
        "leg": ["payload"] * 4,
        "direction": ["uplink"] * 4,
        "bits": [1000] * 4,
        "bits_delivered": [1000, 1000, 400, 1000],
        "start_s": [0.0, 1.0, 1.0, 4.0],
        "end_s": [1.0, 2.0, 4.0, 6.0],
        "status": ["delivered", "delivered", "lost", "delivered"],
    }
    evaluations = {
        "round": [0, 2, 4],
        "time_s": [0.0, 4.0, 8.0],
        "loss": [0.7, 0.6, 0.5],
        "accuracy": [0.5, 0.7, 0.8],
    }
    tables = {
        "rounds": rounds,
        "devices": devices,
        "transfers": transfers,
        "evaluations": evaluations,
    }
    return write_run(folder, {**tables, "rounds": {**rounds, **changed}}, scenario)
