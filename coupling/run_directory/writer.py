"""Table writer: rows of a run, buffered and written as Parquet parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, final

import pyarrow.parquet as pq

from coupling.files import atomic, documents
from coupling.files.paths import refuse_link
from coupling.files.tables import require_schema
from coupling.run_directory.layout import PART, part_name
from coupling.run_directory.schema import TABLES, schema
from coupling.run_directory.table_buffer import TableBuffer
from coupling.scenario.errors import RunError, os_error_text

_ROWS_PER_PART: Final = 200_000

Rows = tuple[int, Mapping[str, object]]
"""Number of rows and the value of each column, as ``TableBuffer.add`` takes them."""
Tables = Mapping[str, Sequence[Rows]]
"""Rows by the name of their table."""


@final
class TableWriter:
    """Tables of one run directory.

    ``write`` takes the rows of one round and keeps references to their arrays, which must not
    change afterwards. A part of every table is written once enough rows have gathered, so parts
    end at round boundaries. A part appears under its name when it is complete.
    """

    def __init__(self, folder: Path, parts: Mapping[str, int] | None = None) -> None:
        """Begin new tables, or continue after the first ``parts`` of each and drop later ones.

        Raises:
            RunError: one of those parts is missing or cannot be read.
        """
        self._tables = {
            name: _TableParts(folder / name, name, (parts or {}).get(name, 0)) for name in TABLES
        }
        for table in self._tables.values():
            table.keep_only_complete()
        self._waiting = 0
        self._writing = False

    def complete_rows(self, name: str) -> int:
        """Return the number of rows of a table in the parts with which it continued."""
        return self._tables[name].rows

    def parts(self) -> dict[str, int]:
        """Return the number of complete parts of each table."""
        return {name: table.parts for name, table in self._tables.items()}

    def write(self, tables: Tables) -> None:
        """Take in the rows of a round, and write parts if enough rows have gathered."""
        self._writing = True
        for name, entries in tables.items():
            for rows, values in entries:
                if rows:
                    self._tables[name].buffer.add(rows, values)
                    self._waiting += rows
        self._writing = False
        if self._waiting >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write the complete rounds since the last part.

        After an exception has interrupted an earlier call, nothing is written any more.
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


@final
class _TableParts:
    """Parts of one table, and the rows of the next part."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self.parts = parts
        self.buffer = TableBuffer(name)
        self._synced = parts
        self._folder = folder
        self._name = name
        self.rows = 0

    def keep_only_complete(self) -> None:
        """Check that the first parts have the columns of the table, and remove later parts."""
        refuse_link(self._folder)
        for number in range(self.parts):
            path = self._folder / part_name(number)
            try:
                self.rows += require_schema(path, schema(self._name))
            except OSError as error:
                raise RunError(f"{path}: is missing or damaged: {os_error_text(error)}") from None
            except documents.DocumentError as error:
                raise RunError(f"{path}: is missing or damaged: {error}") from None
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("part-*"):
            complete = path.with_suffix(".parquet").name
            if PART.fullmatch(complete) and not (
                path.name == complete and complete < part_name(self.parts)
            ):
                path.unlink()

    def flush(self) -> None:
        """Write the waiting rows as one more part, if there are any.

        The first part is written in any case, so that a table without rows has its columns too.
        """
        if not self.buffer and self.parts:
            return
        path = self._folder / part_name(self.parts)
        partial = path.with_suffix(".partial")
        try:
            with atomic.create(partial) as file:
                pq.write_table(self.buffer.table(), file, compression="zstd")
        except OSError:
            atomic.remove(partial)
            raise
        partial.replace(path)
        self.parts += 1
        self.buffer.clear()

    def fsync(self) -> None:
        """Make sure that the new parts, and their names, have left the system's cache."""
        for number in range(self._synced, self.parts):
            atomic.fsync(self._folder / part_name(number))
        if self._synced < self.parts:
            atomic.fsync(self._folder)
        self._synced = self.parts
