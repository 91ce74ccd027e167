"""Parquet files of a run: opened by their path alone, and checked before they are read.

A name such as ``exp:1`` is a path here; pyarrow would take it for a URI.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coupling.files import atomic
from coupling.files.documents import DocumentError, require_regular
from coupling.scenario.errors import first_line, shown
from netsim import input_columns


def row_count(path: Path) -> int:
    """Return the number of rows that a file names in its footer.

    Raises:
        OSError: it cannot be read.
        DocumentError: it is damaged.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def require_schema(path: Path, schema: pa.Schema) -> int:
    """Make sure that a file has the columns of a schema; return its number of rows.

    Raises:
        OSError: it cannot be read.
        DocumentError: it is damaged, or has other columns.
    """
    with _opened(path) as file:
        if not file.schema_arrow.equals(schema):
            raise DocumentError("has other columns than this table")
        return int(file.metadata.num_rows)


def read(path: Path, fields: Sequence[pa.Field]) -> pa.Table:
    """Return some columns of a file, without null.

    Raises:
        OSError: it cannot be read.
        DocumentError: it is damaged, has no such column of that type, has a null or NaN in it, or
            needs more than the share of memory.
    """
    with _opened(path) as file:
        present = file.schema_arrow
        for field in fields:
            place = present.get_field_index(field.name)
            if place < 0 or present.field(place).type != field.type:
                raise DocumentError(f"has no column {field.name} of type {field.type}")
        wanted = [field.name for field in fields]
        if (needed := input_columns.parquet_bytes(file.metadata, wanted)) > (
            limit := input_columns.readable_bytes()
        ):
            raise DocumentError(
                f"needs up to {needed:,} bytes of memory, and {limit:,} are allowed: a quarter of "
                "this machine's"
            )
        table = file.read(columns=wanted)
        table.validate(full=True)
    # Imported at first use: it has hundreds of functions, each made when it is imported.
    import pyarrow.compute as pc

    for name in wanted:
        if pc.any(pc.is_null(table[name], nan_is_null=True)).as_py():
            raise DocumentError(f"column {name} has a missing value")
    # Parts of other origin may differ in what they say of missing values, of which there are none.
    return table.cast(pa.schema([pa.field(name, table[name].type) for name in wanted]))


def write(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables as consecutive row groups of one file, which appears when it is complete.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    first = next(tables)
    try:
        with (
            atomic.create(partial) as file,
            pq.ParquetWriter(file, first.schema, compression="zstd") as writer,
        ):
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        partial.replace(path)
    except OSError:
        atomic.remove(partial)
        raise


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    require_regular(path)
    with pa.OSFile(str(path)) as file:
        try:
            yield pq.ParquetFile(file)
        except (pa.ArrowException, ValueError) as error:
            raise DocumentError(shown(first_line(error))) from None
