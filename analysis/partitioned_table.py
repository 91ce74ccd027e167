"""Partitioned table of a run directory: its Parquet parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.errors import TraceError, one_line
from analysis.layout import part_name, part_paths
from analysis.schema_versions import (
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    current_legs,
    unreadable_version,
)
from analysis.stored.bounds import READABLE_SHARE, parquet_bytes, readable_bytes, require_regular
from analysis.stored.columns import checked, empty_columns, texts

Rounds = tuple[int, int]
"""First and last round, both included."""

_VERSION_KEY: Final = b"airtune.schema"


@final
class PartitionedTable:
    """The parts of one table; a table that the run does not have is one without parts.

    ``expected`` is the number of parts that the run wrote, if that number is known. A missing part
    raises TraceError.
    """

    def __init__(
        self,
        run: Path,
        table: str,
        limits: Mapping[str, int] | None = None,
        expected: int | None = None,
    ) -> None:
        self.table = table
        self._run = run
        self._limits = limits or {}
        self._paths = part_paths(run, table)
        self._require_all(len(self._paths) if expected is None else expected)
        if expected is not None:
            # A later part is no part of the run: it was left by a process that was killed.
            self._paths = self._paths[:expected]

    def __bool__(self) -> bool:
        return bool(self._paths)

    def read(self, columns: Sequence[str] | None, rounds: Rounds | None) -> pa.Table:
        """Return the rows of the rounds; parts and row groups of other rounds are not read.

        A table without the column ``round`` is read completely.

        Raises:
            TraceError: a damaged part, one of an unreadable schema version, or no such column.
        """
        if not self._paths:
            return empty_columns(self.table, columns)
        self._require_memory(columns)
        read = [self._part(path, columns, rounds) for path in self._paths]
        try:
            return pa.concat_tables(read)
        except pa.ArrowException:
            raise TraceError(
                f"{self._run / self.table}: is damaged: its parts have different columns"
            ) from None

    def _require_all(self, count: int) -> None:
        """Refuse a table with a missing part: its rows would be missing without a trace."""
        present = {path.name for path in self._paths}
        for number in range(count):
            if (name := part_name(number)) not in present:
                raise TraceError(f"{self._run / self.table}: {name} is missing")

    def _require_memory(self, columns: Sequence[str] | None) -> None:
        """Refuse columns that would need more than the share of memory, before they are read."""
        needed = 0
        for path in self._paths:
            with self._open(path) as file:
                names = file.schema_arrow.names
                needed += parquet_bytes(file.metadata, names if columns is None else columns)
        if needed > (limit := readable_bytes()):
            raise TraceError(
                f"{self._run / self.table}: needs up to {needed:,} bytes of memory, and {limit:,} "
                f"are allowed, {READABLE_SHARE:.0%} of this machine's"
            )

    def _part(self, path: Path, columns: Sequence[str] | None, rounds: Rounds | None) -> pa.Table:
        with self._open(path) as file:
            names = file.schema_arrow.names
            check_columns(f"{self._run}: {self.table}", names, columns)
            wanted = list(columns) if columns is not None else list(names)
            chosen = rounds is not None and "round" in names
            needed = list(dict.fromkeys([*wanted, "round"])) if chosen else wanted
            try:
                if rounds is None or not chosen:
                    rows = file.read(columns=needed)
                else:
                    rows = file.read_row_groups(_groups(file, rounds), columns=needed)
                # Texts that are no UTF-8 would end in an error where they are used.
                rows.validate(full=True)
            except (OSError, pa.ArrowException) as error:
                raise self._damaged(path, error) from None
            rows = checked(path, self.table, rows, self._limits)
            if rounds is not None and chosen:
                rows = rows_of_rounds(rows, rounds).select(wanted)
        return rows if _version(file) == SCHEMA_VERSION else current_legs(rows)

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            require_regular(path)
            # A path such as exp:1/rounds would be taken for a URI.
            source = pa.OSFile(str(path))
            file = pq.ParquetFile(source, read_dictionary=texts(self.table))
            names = file.schema_arrow.names
        except KeyError as error:  # of a column of text
            name = error.args[0].decode()
            raise TraceError(f"{path}: is damaged: it has no column {name}") from None
        except (OSError, pa.ArrowException, UnicodeError) as error:
            raise self._damaged(path, error) from None
        if len(set(names)) < len(names):
            raise TraceError(f"{path}: is damaged: two columns have one name")
        if (version := _version(file)) not in READABLE_VERSIONS:
            raise TraceError(f"{path}: {unreadable_version(version)}")
        return file

    def _damaged(self, path: Path, error: Exception) -> TraceError:
        return TraceError(f"{path}: is damaged: {one_line(error)}")


def check_columns(name: str, present: Sequence[str], columns: Sequence[str] | None) -> None:
    """Raise TraceError for the first requested column that a table does not have."""
    missing = [column for column in columns or () if column not in present]
    if missing:
        raise TraceError(f"{name} has no column {missing[0]!r}; it has {', '.join(present)}")


def rows_of_rounds(table: pa.Table, rounds: Rounds) -> pa.Table:
    """Return the rows of a table whose column ``round`` lies in the range."""
    first, last = rounds
    inside = pc.and_(pc.greater_equal(table["round"], first), pc.less_equal(table["round"], last))
    return table.filter(inside)


def _version(file: pq.ParquetFile) -> str:
    """Return the schema version in the metadata of a part."""
    return (file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"none").decode("utf-8", "replace")


def _groups(file: pq.ParquetFile, rounds: Rounds) -> list[int]:
    """Return the row groups that may hold rows of the rounds, from their statistics."""
    place = file.schema_arrow.names.index("round")
    chosen = []
    for group in range(file.metadata.num_row_groups):
        statistics = file.metadata.row_group(group).column(place).statistics
        known = statistics is not None and statistics.has_min_max
        if not known or (statistics.max >= rounds[0] and statistics.min <= rounds[1]):
            chosen.append(group)
    return chosen
