"""Input columns: numbers from a user's Parquet or CSV files."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.errors import NetworkInputError


def read_columns(
    path: str, names: Sequence[str], key: str, *, flags: Collection[str] = ()
) -> dict[str, Float[ndarray, " rows"]]:
    """Return columns of a ``.parquet`` or ``.csv`` file as float64; other columns are ignored.

    Columns named in ``flags`` may also be true and false, which become 1 and 0.

    Raises:
        NetworkInputError: with the scenario ``key`` of the path; no such file, not a table, no
            rows, a column that is missing or not numeric, or a value that is missing or not finite.
    """
    table = _read(Path(path), key)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        present = ", ".join(table.column_names)
        raise NetworkInputError(
            key,
            f"{path} has no column {missing[0]}; needed are {', '.join(names)}, it has {present}",
        )
    if not table.num_rows:
        raise NetworkInputError(key, f"{path} has no rows")
    columns = {name: table.column(name) for name in names}
    for name in flags:
        if pa.types.is_boolean(columns[name].type):
            columns[name] = columns[name].cast(pa.int8())
    return {name: _numbers(column, path, name, key=key) for name, column in columns.items()}


def as_device_ids(values: Float[ndarray, " rows"], path: str, key: str) -> Int[ndarray, " rows"]:
    """Return a column of device ids as integers.

    Raises:
        NetworkInputError: a number that is negative or not whole.
    """
    return _whole(values, "device", path, key=key)


def block_numbers(values: Float[ndarray, " rows"], path: str, key: str) -> Int[ndarray, " rows"]:
    """Return a column of channel block numbers as integers.

    Raises:
        NetworkInputError: a number that is negative or not whole.
    """
    return _whole(values, "block", path, key=key)


def as_bools(
    values: Float[ndarray, " rows"], name: str, path: str, *, key: str
) -> Bool[ndarray, " rows"]:
    """Return a column of ones and zeros as booleans.

    Raises:
        NetworkInputError: a number that is neither.
    """
    bad = np.flatnonzero((values != 0) & (values != 1))
    if bad.size:
        raise NetworkInputError(
            key, f"{path}: column {name}, row {bad[0] + 1} is {values[bad[0]]:g}, neither 1 nor 0"
        )
    return values == 1


def require_devices(present: Int[ndarray, " rows"], count: int, path: str, *, key: str) -> None:
    """Refuse a file that lacks one of the devices 0 to ``count - 1``.

    Raises:
        NetworkInputError: the text names the first missing device.
    """
    missing = np.setdiff1d(np.arange(count), present)
    if missing.size:
        raise NetworkInputError(
            key,
            f"{path} has no device {missing[0]}; {count} devices need the numbers 0 to {count - 1}",
        )


def _read(path: Path, key: str) -> pa.Table:
    if not path.is_file():
        raise NetworkInputError(key, f"{path} is not a file")
    if path.suffix not in (".csv", ".parquet"):
        raise NetworkInputError(key, f"{path} must end in .csv or .parquet")
    try:
        return pa.csv.read_csv(path) if path.suffix == ".csv" else pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise NetworkInputError(
            key, f"{path} cannot be read as {path.suffix[1:]}: {first_line(error)}"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has no text."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _numbers(column: pa.ChunkedArray, path: str, name: str, *, key: str) -> Float[ndarray, " rows"]:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    numeric = any(is_kind(column.type) for is_kind in kinds)
    if not numeric:
        raise NetworkInputError(key, f"{path}: column {name} has {column.type} values, not numbers")
    values: Float[ndarray, " rows"] = column.to_numpy().astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise NetworkInputError(
            key, f"{path}: column {name}, row {bad[0] + 1} is missing or not finite"
        )
    return values


def _whole(
    values: Float[ndarray, " rows"], name: str, path: str, *, key: str
) -> Int[ndarray, " rows"]:
    bad = np.flatnonzero((values < 0) | (values != np.floor(values)) | (values >= 2.0**53))
    if bad.size:
        raise NetworkInputError(
            key,
            f"{path}: column {name}, row {bad[0] + 1} is {values[bad[0]]:g}, "
            "not a number from 0 on",
        )
    return values.astype(np.int64)
