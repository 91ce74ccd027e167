"""Columns of the tables of a run: the types that analysis relies on, checked when they are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from analysis.errors import TraceError
from analysis.stored.bounds import MAXIMUM_TEXT

_COLUMNS: Final = {
    "rounds": (
        "round:int start_s:real end_s:real air_time_s:real scheduled:int arrived:int "
        "delay_predicted_s:any delay_s:real delay_budget_s:real virtual_queue_before_s:real "
        "virtual_queue_s:real objective:any train_loss:any panel_loss:any energy_j:real "
        "policy_wall_s:real learner_wall_s:real"
    ),
    "decisions": (
        "round:int scheduled:int objective_predicted:any objective:any penalty:any drift:any "
        "zeta:any virtual_queue_before_s:real virtual_queue_s:real delay_predicted_s:any "
        "delay_s:real optimum_scheduled:int? optimum_objective:any objective_bound:any "
        "iterations:int? band_residual:any policy_wall_s:real"
    ),
    "devices": (
        "round:int device:int x_m:real y_m:real distance_m:real gain:real gain_known:any "
        "available:flag battery_j:any scheduled:flag marginal_objective:any bandwidth_hz:any "
        "rate_bps:any bits:int? delay_s:any energy_j:any transmit_j:any receive_j:any "
        "compute_j:any compute_s:any wait_s:any tx_power_w:any loss:any"
    ),
    "transfers": (
        "round:int device:int leg:text direction:text bits:int bits_delivered:int start_s:real "
        "end_s:real bandwidth_hz:real rate_bps:any energy_j:real status:text "
        "spectral_efficiency:any modulation:any retransmissions:any resource_blocks:any"
    ),
    "shares": "device:int label:int? samples:int",
    "evaluations": (
        "round:int time_s:real air_time_s:real loss:any accuracy:real accuracy_trained:any "
        "accuracy_min:real accuracy_max:real heads_trained:int"
    ),
}

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    table: dict(entry.split(":") for entry in text.split()) for table, text in _COLUMNS.items()
}
"""Kind of each column of each table: ``int``, ``int?`` with nulls, ``real`` (finite), ``any`` (a
number, or none), ``flag``, ``text``. Other columns, of later versions, are read as they are.
"""

_TYPES: Final = {
    "int": pa.int64(),
    "real": pa.float64(),
    "any": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
}
_IS_TYPE: Final = {
    "int": pa.types.is_integer,
    "real": pa.types.is_floating,
    "any": pa.types.is_floating,
    "flag": pa.types.is_boolean,
}


def empty_columns(table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table of a run without rows, with some or all of its columns.

    A column that the table does not have is one of real numbers.
    """
    types = {name: _TYPES[kind.rstrip("?")] for name, kind in KINDS.get(table, {}).items()}
    names = types if columns is None else columns
    return pa.table({name: pa.array([], types.get(name, pa.float64())) for name in names})


def texts(table: str) -> list[str]:
    """Return the names of the columns of text in a table."""
    return [name for name, kind in KINDS.get(table, {}).items() if kind == "text"]


def checked(path: Path, table: str, rows: pa.Table, limits: Mapping[str, int]) -> pa.Table:
    """Return rows whose columns have the types of their table; texts were read as dictionaries.

    ``limits`` has the largest value of some columns of integers.

    Raises:
        TraceError: a column of another type, a missing value, or a number out of range.
    """
    for place, name in enumerate(rows.column_names):
        kind = KINDS.get(table, {}).get(name)
        if kind == "text":
            rows = rows.set_column(place, name, _text(path, name, rows[name]))
        elif kind is not None:
            _require_numbers(path, name, rows[name], kind=kind, largest=limits.get(name))
    return rows


def _text(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of words, of which each has a bounded length."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        raise _bad(path, name, f"has the type {column.type}, not text")
    if column.null_count:
        raise _bad(path, name, "has a missing value")
    for chunk in column.chunks:
        longest = pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0
        if longest > MAXIMUM_TEXT:
            raise _bad(path, name, f"has a text of {longest:,} characters")
    return column.cast(pa.string())


def _require_numbers(
    path: Path, name: str, column: pa.ChunkedArray, *, kind: str, largest: int | None
) -> None:
    if not _IS_TYPE[kind.rstrip("?")](column.type):
        raise _bad(path, name, f"has the type {column.type}, not {_TYPES[kind.rstrip('?')]}")
    if kind in ("int", "flag", "real") and column.null_count:
        raise _bad(path, name, "has a missing value")
    if kind == "real" and pc.all(pc.is_finite(column)).as_py() is False:
        raise _bad(path, name, "has a value that is not finite")
    if kind == "int" and len(column):
        low, high = pc.min_max(column).as_py().values()
        if low < 0 or (largest is not None and high > largest):
            end = "" if largest is None else f" to {largest}"
            raise _bad(path, name, f"has values from {low} to {high}, outside 0{end}")


def _bad(path: Path, name: str, reason: str) -> TraceError:
    return TraceError(f"{path}: is damaged: column {name} {reason}")
