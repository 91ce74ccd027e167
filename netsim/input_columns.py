"""Input columns: numbers from a user's Parquet or CSV files."""

import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast, final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.errors import NetworkInputError
from netsim.parameters import LARGEST_M

READABLE_SHARE: Final = 0.25
"""Share of the machine's memory that one input file may need."""
_MAXIMUM_COLUMNS: Final = 1_000
_WORD_BYTES: Final = 8
_GZIP: Final = b"\x1f\x8b"
"""First bytes of every file that is compressed with gzip."""
UNREADABLE: Final = (OSError, EOFError, zlib.error)
"""Errors in reading a file that may be compressed."""


@final
@dataclass(frozen=True)
class Coverage:
    """Coverage of a file: its first and last time, or channel block, in the world of a run."""

    key: str
    """Scenario key of the file's path."""
    path: str
    first: float
    last: float
    before: str
    """What holds before the first time."""
    after: str
    """What holds after the last time."""
    blocks: bool = False
    """Whether the numbers are channel blocks, not seconds."""
    offset: float = 0.0
    """Number that has been added to those of the file."""

    @classmethod
    def of_times(
        cls,
        key: str,
        path: str,
        time_s: Float[ndarray, " rows"],
        count: int,
        offset_s: float,
        *,
        before: str,
        after: str,
    ) -> "Coverage":
        """Return the coverage of times in seconds, moved by ``offset_s``, of ``count`` devices.

        It has no end if each device has one row, at or before 0, which has not been moved there:
        such a file is a state, not a recording that is over.
        """
        state = len(time_s) <= count and time_s.max() <= 0 and offset_s == 0
        last = np.inf if state else float(time_s.max())
        first = float(time_s.min())
        return cls(key, path, first, last, before=before, after=after, offset=offset_s)

    def late(self, start: float) -> str | None:
        """Return the warning that the file begins after the start of a run; None if it does not."""
        if self.first <= start:
            return None
        table, unit = self.key.rpartition(".")[0], "blocks" if self.blocks else "s"
        return (
            f"{self.key}: {self.path} begins {self._at(self.first)}, after the start of the run "
            f"{self._at(start)}; until then {self.before}; {table}.offset_{unit} = "
            f"{_exact(start - (self.first - self.offset))} moves it to the start"
        )

    def short(self, end: float) -> str | None:
        """Return the warning that the file ends before the end of a run; None if it does not."""
        if self.last >= end:
            return None
        return (
            f"{self.key}: {self.path} ends {self._at(self.last)}, before the end of the run "
            f"{self._at(end)}; from then on {self.after}"
        )

    def over(self, start: float) -> str | None:
        """Return the warning that the file is over when a run starts; None if it is not.

        A block lasts from its start on, so a file that ends in the first one is not over.
        """
        if self.last > start or (self.blocks and self.last == start):
            return None
        place = "before" if self.last < start else "at"
        return (
            f"{self.key}: {self.path} ends {self._at(self.last)}, {place} the start of the run "
            f"{self._at(start)}; from then on {self.after}"
        )

    def _at(self, value: float) -> str:
        return f"in block {value:.0f}" if self.blocks else f"at {_exact(value)} s"


def _exact(value: float) -> str:
    """Return a number with all its digits, a whole one without a point."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 2**53 else repr(float(value))


def read_columns(
    path: str, names: Sequence[str], key: str, *, flags: Collection[str] = ()
) -> dict[str, Float[ndarray, " rows"]]:
    """Return columns of a ``.parquet`` or ``.csv`` file as float64; other columns are ignored.

    Columns named in ``flags`` may also be true and false, which become 1 and 0. The file may be
    compressed with gzip.

    Raises:
        NetworkInputError: with the scenario ``key`` of the path; no such file, not a table, no
            rows, a column that is missing, there twice or not numeric, or a value that is missing
            or not finite.
    """
    table = _read(path, key)
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


def require_coordinates(
    columns: Mapping[str, Float[ndarray, " rows"]], path: str, *, key: str
) -> None:
    """Refuse coordinates in metres that no scenario may have.

    Raises:
        NetworkInputError: the text names column, row and value, and what is allowed.
    """
    for name, values in columns.items():
        bad = np.flatnonzero(np.abs(values) > LARGEST_M)
        if bad.size:
            raise NetworkInputError(
                key,
                f"{path}: column {name}, row {bad[0] + 1} is {values[bad[0]]:g}, not within "
                f"{LARGEST_M:g} m",
            )


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


def open_file(path: str, key: str) -> BinaryIO:
    """Open a file for reading, decompressed if it is compressed with gzip.

    Raises:
        NetworkInputError: there is no such file, or it cannot be opened.
    """
    # Unlike pathlib, os.path answers False for a path that no file can have.
    if not os.path.isfile(path):
        raise NetworkInputError(key, f"{path} is not a file")
    try:
        with Path(path).open("rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
        return cast(BinaryIO, gzip.open(path)) if compressed else Path(path).open("rb")
    except OSError as error:
        raise NetworkInputError(key, f"{path} cannot be read: {first_line(error)}") from error


def _read(path: str, key: str) -> pa.Table:
    with open_file(path, key) as file:
        try:
            content = file.read(readable_bytes() // _WORD_BYTES + 1)
        except UNREADABLE as error:
            raise NetworkInputError(key, f"{path} cannot be read: {first_line(error)}") from error
    # A number of two characters becomes one of eight bytes.
    _require_memory(path, _WORD_BYTES * len(content), key)
    ending = Path(path.removesuffix(".gz")).suffix
    if ending not in (".csv", ".parquet"):
        raise NetworkInputError(key, f"{path} must end in .csv or .parquet")
    if ending == ".csv":
        _require_text(content, path, key)
    try:
        source = io.BytesIO(content)
        if ending == ".csv":
            table = pa.csv.read_csv(source)
        else:
            file_content = pa.parquet.ParquetFile(source)
            if (count := file_content.metadata.num_columns) > _MAXIMUM_COLUMNS:
                raise NetworkInputError(
                    key, f"{path} has {count:,} columns, more than {_MAXIMUM_COLUMNS:,}"
                )
            _require_memory(path, parquet_bytes(file_content.metadata), key)
            table = file_content.read()
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise NetworkInputError(
            key, f"{path} cannot be read as {ending[1:]}: {first_line(error)}"
        ) from error
    # Blanks after the commas of a header belong to no name.
    names = [name.strip() for name in table.column_names]
    for name, count in Counter(filter(None, names)).items():
        if count > 1:
            raise NetworkInputError(key, f"{path} has the column {name} {count} times")
    return table.rename_columns(names)


def _require_text(content: bytes, path: str, key: str) -> None:
    """Refuse a CSV file that is not UTF-8 text; UTF-16 of ASCII letters has NUL bytes."""
    bad = content.find(b"\0")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        bad = error.start
    if bad >= 0:
        line = content.count(b"\n", 0, bad) + 1
        raise NetworkInputError(
            key, f"{path} is not UTF-8 text: line {line} has the byte 0x{content[bad]:02x}"
        )


def readable_bytes() -> int:
    """Return the memory that one file may need when it is read: a quarter of the machine's."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(READABLE_SHARE * total)


def parquet_bytes(
    metadata: "pyarrow.parquet.FileMetaData", columns: Collection[str] | None = None
) -> int:
    """Return an upper bound of the memory of columns of a Parquet file, from its metadata alone.

    A column needs eight bytes per value, or its uncompressed size if that is more. A text may be
    as long as the uncompressed size of its column, which is stored once for all equal values.
    """
    total = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for place in range(metadata.num_columns):
            chunk = chunks.column(place)
            if columns is None or chunk.path_in_schema.split(".")[0] in columns:
                total += max(_WORD_BYTES * chunk.num_values, chunk.total_uncompressed_size)
    return total


def _require_memory(path: str, needed: int, key: str) -> None:
    """Refuse a file that would need more than the share of the machine's memory."""
    if needed > (limit := readable_bytes()):
        raise NetworkInputError(
            key,
            f"{path} needs up to {needed:,} bytes of memory; {limit:,} are allowed, "
            f"{READABLE_SHARE:.0%} of this machine's",
        )


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


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
