"""Mutations of Parquet tables: other columns, types, values and sizes."""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.fuzz_values import NUMBERS, TEXTS, raw

_TYPES = (
    *(pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()),
    *(pa.string(), pa.binary(), pa.bool_(), pa.date32(), pa.timestamp("ns"), pa.decimal128(38, 2)),
    *(pa.large_string(), pa.null()),
)
_NAMES = ("round", "device", "end_s", "c", "", "a.b", "\x1b[31m", "x" * 10_000, "__index_level_0__")


def parquet(random: Random, content: bytes) -> bytes:
    """Return a Parquet file with other columns, types or values, and rarely with other bytes."""
    if random.random() < 0.3:
        return raw(random, content)
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):  # changed before
        return raw(random, content)
    for _ in range(random.randint(1, 2)):
        table = random.choice(_CHANGES)(random, table)
    sink = io.BytesIO()
    try:
        pq.write_table(
            table,
            sink,
            compression=random.choice(("zstd", "snappy", "none")),
            use_dictionary=random.random() < 0.5,
            row_group_size=random.choice((1, 7, 100_000)) if len(table) < 1_000 else None,
        )
    except (pa.ArrowException, OSError, ValueError):  # a type that Parquet has not
        return raw(random, content)
    return sink.getvalue()


def _drop(random: Random, table: pa.Table) -> pa.Table:
    if not table.column_names:
        return table
    return table.remove_column(random.randrange(table.num_columns))


def _double(random: Random, table: pa.Table) -> pa.Table:
    """Give a column twice, or under another name."""
    if not table.column_names:
        return table
    place = random.randrange(table.num_columns)
    name = random.choice((table.column_names[place], *_NAMES))
    return table.append_column(name, table.column(place))


def _rename(random: Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    if names:
        names[random.randrange(len(names))] = random.choice(_NAMES)
    return table.rename_columns(names)


def _retype(random: Random, table: pa.Table) -> pa.Table:
    """Give a column another type: its values where they can be cast, else nulls."""
    if not table.column_names:
        return table
    place, kind = random.randrange(table.num_columns), random.choice(_TYPES)
    try:
        column = table.column(place).cast(kind, safe=False)
    except (pa.ArrowException, ValueError):
        column = pa.nulls(table.num_rows, kind)
    return table.set_column(place, table.column_names[place], column)


def _values(random: Random, table: pa.Table) -> pa.Table:
    """Put a hostile value into some cells of a column, in the column's own type."""
    if not table.column_names or not table.num_rows:
        return table
    place = random.randrange(table.num_columns)
    name, column = table.column_names[place], table.column(place)
    cells: list[Any] = column.to_pylist()
    value = random.choice((*NUMBERS, *TEXTS, None))
    chosen = range(len(cells)) if random.random() < 0.2 else [random.randrange(len(cells))]
    for cell in chosen:
        cells[cell] = value
    for kind in (column.type, None):
        try:
            return table.set_column(place, name, pa.array(cells, kind))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
    return table


def _nest(random: Random, table: pa.Table) -> pa.Table:
    """Replace a column by lists or tables of its values."""
    if not table.column_names:
        return table
    place = random.randrange(table.num_columns)
    cells = table.column(place).to_pylist()
    nested = [[cell] for cell in cells] if random.random() < 0.5 else [{"x": c} for c in cells]
    return table.set_column(place, table.column_names[place], pa.array(nested))


def _rows(random: Random, table: pa.Table) -> pa.Table:
    """Take no rows, some, all in another order, or many of them."""
    count = table.num_rows
    if not count or random.random() < 0.3:
        return table.slice(0, random.choice((0, 1)))
    places = [random.randrange(count) for _ in range(random.choice((1, count, 3 * count)))]
    return table.take(pa.array(places))


def _many(random: Random, table: pa.Table) -> pa.Table:
    """Repeat the rows or the columns very often."""
    if table.num_rows and random.random() < 0.5:
        return pa.concat_tables([table] * (200_000 // table.num_rows + 1)).combine_chunks()
    column = pa.nulls(table.num_rows)
    names = [*table.column_names, *(f"c{number}" for number in range(5_000))]
    return pa.table([*table.columns, *[column] * 5_000], names=names)


_CHANGES: tuple[Callable[[Random, pa.Table], pa.Table], ...] = (
    *(_drop, _double, _rename, _retype, _retype, _values, _values, _values, _nest, _rows, _many),
)
