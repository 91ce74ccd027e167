"""Buffer of table rows: rows are kept as they come and become one Arrow table."""

from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import cast, final

import numpy as np
import pyarrow as pa
from numpy import ndarray

from coupling.run_directory.schema import TABLES, Column, schema

_dtype = attrgetter("dtype")
Values = float | int | str | ndarray | None
"""Scalar or array of a column. A scalar is repeated over the rows that are added with it; NaN and
None in a nullable column become null.
"""


@final
class TableBuffer:
    """Rows of one table that wait to be written.

    ``add`` only keeps references, so arrays given to it must not change afterwards.
    """

    def __init__(self, name: str) -> None:
        self._columns = TABLES[name]
        self._schema = schema(name)
        self._row = itemgetter(*(column.name for column in self._columns))
        self._counts: list[int] = []
        self._rows: list[tuple[Values, ...]] = []

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, rows: int, values: Mapping[str, object]) -> None:
        """Append ``rows`` rows; every column of the table needs a value."""
        # One tuple per call; the columns are taken out of the tuples when the table is built.
        self._rows.append(self._row(values))
        self._counts.append(rows)

    def table(self) -> pa.Table:
        """Return the rows as an Arrow table; without rows it has the columns all the same."""
        if not self._counts:
            return self._schema.empty_table()
        counts = np.array(self._counts)
        arrays = [
            _array(column, values, counts)
            for column, values in zip(self._columns, zip(*self._rows, strict=True), strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def clear(self) -> None:
        """Forget the rows."""
        self._counts.clear()
        self._rows.clear()


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
    if list(map(_dtype, arrays)).count(kind) < len(arrays):
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
