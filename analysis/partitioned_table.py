"""One table of a run directory: its Parquet parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.errors import TraceError

SCHEMA_VERSION: Final = "1"
"""The schema of run directories that this version reads."""

Rounds = tuple[int, int]
"""First and last round, both included."""


@final
class PartitionedTable:
    """The parts of one table; a table that the run does not have is one without parts.

    ``expected`` is the number of parts that the run wrote, where that is known. A part that is gone
    raises TraceError.
    """

    def __init__(self, run: Path, table: str, expected: int | None = None) -> None:
        self.table = table
        self._run = run
        self._paths = sorted((run / table).glob("part-*.parquet"))
        self._require_all(len(self._paths) if expected is None else expected)

    def __bool__(self) -> bool:
        return bool(self._paths)

    def read(self, columns: Sequence[str] | None, rounds: Rounds | None) -> pa.Table:
        """Return the rows of the rounds; parts and row groups of other rounds are not read.

        A table that does not go by rounds is read whole.

        Raises:
            TraceError: a damaged part, one of another schema version, or no such column.
        """
        if not self._paths:
            return pa.table({name: pa.array([], pa.float64()) for name in columns or ()})
        read = [self._part(path, columns, rounds) for path in self._paths]
        return read[0] if len(read) == 1 else pa.concat_tables(read)

    def _require_all(self, count: int) -> None:
        """Refuse a table with a part gone: its rows would be missing without a trace."""
        present = {path.name for path in self._paths}
        for number in range(count):
            if (name := f"part-{number:06d}.parquet") not in present:
                raise TraceError(f"{self._run / self.table}: {name} is missing")

    def _part(self, path: Path, columns: Sequence[str] | None, rounds: Rounds | None) -> pa.Table:
        with self._open(path) as file:
            self._check_columns(file.schema_arrow.names, columns)
            wanted = list(columns) if columns is not None else list(file.schema_arrow.names)
            try:
                if rounds is None or "round" not in file.schema_arrow.names:
                    return file.read(columns=wanted)
                groups = _groups(file, rounds)
                found = file.read_row_groups(
                    groups, columns=list(dict.fromkeys([*wanted, "round"]))
                )
            except (OSError, pa.ArrowInvalid) as error:
                raise self._damaged(path, error) from None
        inside = pc.and_(
            pc.greater_equal(found["round"], rounds[0]), pc.less_equal(found["round"], rounds[1])
        )
        return found.filter(inside).select(wanted)

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(path, error) from None
        version = (file.schema_arrow.metadata or {}).get(b"airtune.schema", b"none").decode()
        if version != SCHEMA_VERSION:
            raise TraceError(f"{path}: {other_version(version)}")
        return file

    def _check_columns(self, present: Sequence[str], columns: Sequence[str] | None) -> None:
        missing = [name for name in columns or () if name not in present]
        if missing:
            raise TraceError(
                f"{self._run}: {self.table} has no column {missing[0]!r}; it has {', '.join(present)}"
            )

    def _damaged(self, path: Path, error: Exception) -> TraceError:
        return TraceError(f"{path}: is damaged: {' '.join(str(error).split())}")


def other_version(version: object) -> str:
    """Return what to tell about a run of another schema version."""
    return (
        f"has schema {version}, this version reads {SCHEMA_VERSION}; "
        "read it with the version in its provenance.json"
    )


def _groups(file: pq.ParquetFile, rounds: Rounds) -> list[int]:
    """Return the row groups that may hold rows of the rounds, from their statistics."""
    at = file.schema_arrow.names.index("round")
    chosen = []
    for group in range(file.metadata.num_row_groups):
        statistics = file.metadata.row_group(group).column(at).statistics
        known = statistics is not None and statistics.has_min_max
        if not known or (statistics.max >= rounds[0] and statistics.min <= rounds[1]):
            chosen.append(group)
    return chosen
