"""Tables of a run, either in its directory or in memory."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pyarrow as pa
from typing_extensions import override

from analysis.partitioned_table import PartitionedTable, Rounds, check_columns, rows_of_rounds
from analysis.stored.columns import empty_columns


class Tables(ABC):
    """The tables of one run by name."""

    @abstractmethod
    def read(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pa.Table:
        """Return some columns and rounds of a table; by default the whole table.

        A table that the run does not have has no rows.

        Raises:
            TraceError: a damaged file, one of an unreadable schema version, or no such column.
        """


@final
class DirectoryTables(Tables):
    """Tables that are read from a run directory when they are requested."""

    def __init__(
        self, path: Path, provenance: Mapping[str, Any], limits: Mapping[str, int]
    ) -> None:
        """Take a run directory; ``limits`` has the largest round and the largest device."""
        self._path = path
        self._limits = limits
        # A run that is running, or was killed, has more parts than its provenance lists.
        running = provenance.get("state") == "running"
        self._parts: Mapping[str, int] | None = None if running else provenance.get("parts")

    @override
    def read(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pa.Table:
        expected = None if self._parts is None else self._parts.get(name, 0)
        return PartitionedTable(self._path, name, self._limits, expected).read(columns, rounds)


@final
class MemoryTables(Tables):
    """Tables that a caller holds in memory, in the newest schema."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self._tables = dict(tables)

    @override
    def read(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pa.Table:
        table = self._tables.get(name)
        # A folder without parts is read as a table without columns.
        if table is None or not table.column_names:
            return empty_columns(name, columns)
        check_columns(name, table.column_names, columns)
        if rounds is not None and "round" in table.column_names:
            table = rows_of_rounds(table, rounds)
        return table if columns is None else table.select(list(columns))
