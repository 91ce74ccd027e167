"""Rows of a run, buffered and written as Parquet parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import ndarray

from coupling import files
from coupling.problems import RunError
from coupling.tables import TABLES, Column, schema

_ROWS_PER_PART: Final = 200_000

Values = float | int | str | ndarray | None
"""A scalar is repeated over the rows that are added with it; NaN and None in a nullable column become null."""


Rows = tuple[int, Mapping[str, Values]]
"""A number of rows and their columns."""


@final
class Recorder:
    """The tables of one run directory.

    ``add`` only keeps references, so arrays given to it must not change afterwards. ``end_round`` writes a part
    of every table once enough rows have gathered: parts end at round boundaries. A part appears under its name
    when it is complete.
    """

    def __init__(self, folder: Path, parts: Mapping[str, int] | None = None) -> None:
        """Begin new tables, or go on behind the first ``parts`` of each and drop what stands after them.

        Raises:
            RunError: one of those parts is missing or cannot be read.
        """
        self._tables = {name: _Table(folder / name, name, (parts or {}).get(name, 0)) for name in TABLES}
        for table in self._tables.values():
            table.keep_only_complete()
        self._round: list[tuple[str, Rows]] = []
        self._writing = False

    def parts(self) -> dict[str, int]:
        """Return how many parts of each table are complete."""
        return {name: table.parts for name, table in self._tables.items()}

    def add(self, table: str, rows: int, values: Mapping[str, Values]) -> None:
        """Append ``rows`` rows to those of the round under way; every column needs a value."""
        if rows:
            self._round.append((table, (rows, values)))

    def end_round(self) -> None:
        """Count the rows of the round under way, and write parts if enough have gathered."""
        added, self._round = self._round, []
        self._writing = True
        for table, rows in added:
            self._tables[table].add(*rows)
        self._writing = False
        if sum(table.rows for table in self._tables.values()) >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write the complete rounds since the last part; nothing if an exception has broken off a flush before."""
        if self._writing:
            return
        self._writing = True
        for table in self._tables.values():
            table.flush()
        self._writing = False

    def to_disk(self) -> None:
        """Make sure that the parts have left the system's cache."""
        for table in self._tables.values():
            table.to_disk()


class _Table:
    """One table's complete rounds that are not yet in a part."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self.parts = parts
        self.rows = 0
        self._on_disk = parts
        self._folder = folder
        self._columns = TABLES[name]
        self._schema = schema(name)
        self._added: list[Rows] = []

    def keep_only_complete(self) -> None:
        """Make sure that the first parts can be read, and remove all other files."""
        kept = [_part(number) for number in range(self.parts)]
        for name in kept:
            try:
                pq.read_metadata(self._folder / name)
            except (OSError, pa.ArrowInvalid) as error:
                raise RunError(
                    f"{self._folder / name}: is missing or damaged: {_first_line(error)}"
                ) from None
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def add(self, rows: int, values: Mapping[str, Values]) -> None:
        self.rows += rows
        self._added.append((rows, values))

    def flush(self) -> None:
        if not self.rows:
            return
        counts = np.array([rows for rows, _ in self._added])
        arrays = [
            _array(column, [values[column.name] for _, values in self._added], counts)
            for column in self._columns
        ]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        path = self._folder / _part(self.parts)
        partial = path.with_suffix(".partial")
        try:
            pq.write_table(table, partial, compression="zstd")
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(path)
        self.parts += 1
        self.rows = 0
        self._added.clear()

    def to_disk(self) -> None:
        for number in range(self._on_disk, self.parts):
            files.to_disk(self._folder / _part(number))
        if self._on_disk < self.parts:
            files.to_disk(self._folder)
        self._on_disk = self.parts


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _part(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _array(column: Column, values: list[Values], counts: ndarray) -> pa.Array:
    """Return one column of a part."""
    arrays = [value for value in values if isinstance(value, ndarray)]
    if len(arrays) == len(values):
        flat = np.concatenate(arrays)
    elif arrays:
        flat = np.concatenate(
            [
                np.broadcast_to(np.nan if value is None else value, n)
                for value, n in zip(values, counts, strict=True)
            ]
        )
    elif pa.types.is_string(column.type):
        flat = np.repeat(np.asarray(values, dtype=object), counts)
    else:
        flat = np.repeat(np.asarray([np.nan if value is None else value for value in values]), counts)
    if pa.types.is_string(column.type):
        return pa.array(flat, type=column.type)
    if not column.nullable:
        return pa.array(flat).cast(column.type)
    missing = np.isnan(flat.astype(float))
    return pa.array(np.where(missing, 0, flat), mask=missing).cast(column.type)
