"""Rows of a run, buffered and written as Parquet parts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import ndarray

from coupling.problems import RunError
from coupling.tables import TABLES, Column, schema

_ROWS_PER_PART: Final = 200_000

Values = float | int | str | ndarray | None
"""A scalar is repeated over the rows that are added with it; NaN and None in a nullable column become null."""


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

    def parts(self) -> dict[str, int]:
        """Return how many parts of each table are complete."""
        return {name: table.parts for name, table in self._tables.items()}

    def add(self, table: str, rows: int, values: Mapping[str, Values]) -> None:
        """Append ``rows`` rows; every column needs a value."""
        self._tables[table].add(rows, values)

    def end_round(self) -> None:
        """Write parts if enough rows have gathered."""
        if sum(table.rows for table in self._tables.values()) >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write everything that was added since the last part."""
        for table in self._tables.values():
            table.flush()


class _Table:
    """One table's buffer."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.parts = parts
        self.rows = 0
        self._folder = folder
        self._columns = TABLES[name]
        self._schema = schema(name)
        self._counts: list[int] = []
        self._values: list[list[Values]] = [[] for _ in self._columns]
        self._keep_only(parts)

    def add(self, rows: int, values: Mapping[str, Values]) -> None:
        if not rows:
            return
        self.rows += rows
        self._counts.append(rows)
        for column, kept in zip(self._columns, self._values, strict=True):
            kept.append(values[column.name])

    def _keep_only(self, parts: int) -> None:
        """Make sure that the first parts can be read, and remove all others."""
        kept = [_part(number) for number in range(parts)]
        for name in kept:
            try:
                pq.read_metadata(self._folder / name)
            except (OSError, pa.ArrowInvalid) as error:
                raise RunError(f"{self._folder / name}: is missing or damaged: {error}") from None
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def flush(self) -> None:
        if not self.rows:
            return
        counts = np.asarray(self._counts)
        arrays = [
            _array(column, values, counts) for column, values in zip(self._columns, self._values, strict=True)
        ]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        path = self._folder / _part(self.parts)
        partial = path.with_suffix(".partial")
        pq.write_table(table, partial, compression="zstd")
        os.replace(partial, path)
        self.parts += 1
        self.rows = 0
        self._counts.clear()
        for kept in self._values:
            kept.clear()


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
