"""Rows of a run, buffered and written as Parquet parts."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final, cast, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import ndarray

from coupling.run_directory import atomic
from coupling.run_directory.schema import TABLES, Column, schema
from coupling.scenario.errors import RunError

_ROWS_PER_PART: Final = 200_000

Values = float | int | str | ndarray | None
"""A scalar is repeated over the rows that are added with it; NaN and None in a nullable column
become null.
"""


@final
class TableWriter:
    """The tables of one run directory.

    ``add`` only keeps references, so arrays given to it must not change afterwards. ``end_round``
    writes a part of every table once enough rows have gathered: parts end at round boundaries. A
    part appears under its name when it is complete.
    """

    def __init__(self, folder: Path, parts: Mapping[str, int] | None = None) -> None:
        """Begin new tables, or go on behind the first ``parts`` of each and drop what stands after
        them.

        Raises:
            RunError: one of those parts is missing or cannot be read.
        """
        self._tables = {
            name: _TableParts(folder / name, name, (parts or {}).get(name, 0)) for name in TABLES
        }
        for table in self._tables.values():
            table.keep_only_complete()
        self._round: list[tuple[str, int, Mapping[str, Values]]] = []
        self._waiting = 0
        self._writing = False

    def parts(self) -> dict[str, int]:
        """Return how many parts of each table are complete."""
        return {name: table.parts for name, table in self._tables.items()}

    def add(self, table: str, rows: int, values: Mapping[str, Values]) -> None:
        """Append ``rows`` rows to those of the round under way; every column needs a value."""
        if rows:
            self._round.append((table, rows, values))

    def end_round(self) -> None:
        """Count the rows of the round under way, and write parts if enough have gathered."""
        added, self._round = self._round, []
        self._writing = True
        for name, rows, values in added:
            self._tables[name].add(rows, values)
            self._waiting += rows
        self._writing = False
        if self._waiting >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write the complete rounds since the last part; nothing if an exception has broken off a
        flush before.
        """
        if self._writing or not self._waiting:
            return
        self._writing = True
        for table in self._tables.values():
            table.flush()
        self._waiting = 0
        self._writing = False

    def fsync(self) -> None:
        """Make sure that the parts have left the system's cache."""
        for table in self._tables.values():
            table.fsync()


class _TableParts:
    """The parts of one table."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self.parts = parts
        self._on_disk = parts
        self._folder = folder
        self._columns = TABLES[name]
        self._schema = schema(name)
        self._row = itemgetter(*(column.name for column in self._columns))
        # What the next part will hold: the number of rows that were added together, and each
        # column's values.
        self._counts: list[int] = []
        self._values: list[list[Values]] = [[] for _ in self._columns]

    def keep_only_complete(self) -> None:
        """Make sure that the first parts can be read, and remove all other files."""
        kept = [_part(number) for number in range(self.parts)]
        for name in kept:
            try:
                pq.read_metadata(self._folder / name)
            except (OSError, pa.ArrowInvalid) as error:
                raise RunError(
                    f"{self._folder / name}: is missing or damaged: {first_line(error)}"
                ) from None
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def add(self, rows: int, values: Mapping[str, Values]) -> None:
        """Keep rows for the next part."""
        self._counts.append(rows)
        for kept, value in zip(self._values, self._row(values), strict=True):
            kept.append(value)

    def flush(self) -> None:
        """Write the rows that were kept as one more part, if there are any; the first part is there
        in any case.

        So a table that stays empty has its columns too.
        """
        if not self._counts and self.parts:
            return
        table = self._table() if self._counts else self._schema.empty_table()
        path = self._folder / _part(self.parts)
        partial = path.with_suffix(".partial")
        try:
            pq.write_table(table, partial, compression="zstd")
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(path)
        self.parts += 1
        self._counts.clear()
        for values in self._values:
            values.clear()

    def _table(self) -> pa.Table:
        """Return the rows that were kept."""
        counts = np.array(self._counts)
        arrays = [
            _array(column, values, counts)
            for column, values in zip(self._columns, self._values, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def fsync(self) -> None:
        for number in range(self._on_disk, self.parts):
            atomic.fsync(self._folder / _part(number))
        if self._on_disk < self.parts:
            atomic.fsync(self._folder)
        self._on_disk = self.parts


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _part(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _array(column: Column, values: Sequence[Values], counts: ndarray) -> pa.Array:
    """Return one column of a part."""
    if pa.types.is_string(column.type):
        return _texts(values, counts)
    if column.nullable and set(map(type, values)) == {type(None)}:
        return pa.nulls(int(counts.sum()), column.type)
    return pa.array(_flat(values, counts), from_pandas=column.nullable).cast(column.type)


def _flat(values: Sequence[Values], counts: ndarray) -> ndarray:
    """Return the numbers of a column as one array, scalars repeated; None becomes NaN."""
    kinds = set(map(type, values))
    if kinds == {ndarray}:
        return _joined(cast(Sequence[ndarray], values))
    if type(None) in kinds:
        values = [np.nan if value is None else value for value in values]
    if ndarray not in kinds:
        return np.repeat(np.asarray(values), counts)
    pairs = zip(values, counts.tolist(), strict=True)
    return np.concatenate(
        [value if isinstance(value, ndarray) else np.full(rows, value) for value, rows in pairs]
    )


def _joined(arrays: Sequence[ndarray]) -> ndarray:
    """Return arrays one after the other."""
    kind = arrays[0].dtype
    if not all([array.dtype is kind for array in arrays]):  # noqa: C419 -- a third of a generator's time
        return np.concatenate(arrays)
    try:
        # A fraction of what concatenate takes for thousands of arrays as short as a round of few
        # devices.
        return np.frombuffer(b"".join(cast(Sequence[bytes], arrays)), kind)
    except TypeError:  # one is not contiguous
        return np.concatenate(arrays)


def _texts(values: Sequence[Values], counts: ndarray) -> pa.Array:
    """Return a column of words, of which there are few different ones."""
    if ndarray in set(map(type, values)):
        pairs = zip(values, counts.tolist(), strict=True)
        words = [
            word
            for value, rows in pairs
            for word in (value.tolist() if isinstance(value, ndarray) else [value] * rows)
        ]
        return pa.array(words, pa.string())
    different = {word: code for code, word in enumerate(dict.fromkeys(values))}
    codes = np.repeat(np.asarray([different[word] for word in values]), counts)
    return pa.array(list(different), pa.string()).take(pa.array(codes))
