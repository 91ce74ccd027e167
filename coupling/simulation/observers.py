"""Observers of a run: they see every round record, and decide nothing."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self, final

import pyarrow as pa
from typing_extensions import override

from coupling.run_directory.schema import TABLES
from coupling.run_directory.session import RunSession
from coupling.run_directory.table_buffer import TableBuffer
from coupling.run_directory.writer import Tables
from netsim.scheduling import RoundRecord

OnRound = Callable[[RoundRecord], None]
"""Called with the record of every round."""
Save = Callable[[], None]


class RunObserver(ABC):
    """Observer of a run, and the context of its use; leaving the context closes what it opened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 (optional)
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what the observer has opened; ``error`` is that of a run that failed."""

    def on_start(self, tables: Tables) -> None:  # noqa: B027 (optional)
        """Take in the rows from before the first round; there are none in a run that is resumed."""

    @abstractmethod
    def on_round(self, record: RoundRecord) -> None:
        """Take in the record of a round."""


@final
class TableMemory(RunObserver):
    """Tables of a run without a directory, kept in memory."""

    def __init__(self) -> None:
        self._buffers = {name: TableBuffer(name) for name in TABLES}

    @override
    def on_start(self, tables: Tables) -> None:
        self._add(tables)

    @override
    def on_round(self, record: RoundRecord) -> None:
        self._add(record.tables)

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables with the rows up to now."""
        return {name: buffer.table() for name, buffer in self._buffers.items()}

    def _add(self, tables: Tables) -> None:
        for name, entries in tables.items():
            for rows, values in entries:
                if rows:
                    self._buffers[name].add(rows, values)


@final
class DirectoryWriter(RunObserver):
    """Writer of the tables of a run directory."""

    def __init__(self, session: RunSession) -> None:
        self._session = session

    @override
    def on_start(self, tables: Tables) -> None:
        self._session.write(tables, round_number=0, time_s=0.0)

    @override
    def on_round(self, record: RoundRecord) -> None:
        self._session.write(record.tables, record.round, record.time_s)


@final
class CheckpointWriter(RunObserver):
    """Writer of the checkpoints of a run directory, after all others have seen the round.

    A run that is killed and resumed after a checkpoint does not show its rounds again.
    """

    def __init__(self, save: Save, checkpoint_every: int | None) -> None:
        self._save = save
        self._checkpoint_every = checkpoint_every

    @override
    def on_round(self, record: RoundRecord) -> None:
        if self._checkpoint_every is not None and record.round % self._checkpoint_every == 0:
            self._save()


@final
class Callback(RunObserver):
    """Observer that calls a function with every record."""

    def __init__(self, on_round: OnRound) -> None:
        self._on_round = on_round

    @override
    def on_round(self, record: RoundRecord) -> None:
        self._on_round(record)
