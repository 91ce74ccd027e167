"""Run session: the tables, checkpoints and provenance that one process writes of a run."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast, final

import numpy as np
import tomli_w

from coupling.files import atomic
from coupling.run_directory import checkpoint
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.layout import ADAPTER, ADAPTER_NEW, SCENARIO
from coupling.run_directory.provenance import Provenance, RunProgress, State
from coupling.run_directory.writer import Tables, TableWriter
from coupling.scenario.errors import Interrupted, RunError, os_error_text, shown
from coupling.scenario.scenario import Scenario
from learner.base import Learner

_PROGRESS_INTERVAL_S: Final = 2.0
"""Wall-clock seconds between two writes of the progress that ``airtune ls`` shows."""


@final
class RunSession:
    """Writer of one run; on exit the run is finished, interrupted or failed.

    ``open`` opens the tables, which continue after the parts that the state counts; later parts are
    dropped.

    Raises:
        RunError: on exit, where the directory cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        state: RunState,
        provenance: Provenance,
        *,
        scenario: Scenario,
        on_checkpoint: Callable[[Path], None],
    ) -> None:
        self.folder = folder
        self._parts: Mapping[str, int] = state.parts
        self._round = state.round
        self._time_s = state.time_s
        self._provenance = provenance
        self._on_checkpoint = on_checkpoint
        self._scenario = scenario
        self._writer: TableWriter | None = None
        self._accuracy = float(provenance.facts.get("accuracy") or np.nan)
        self._progress_due_s = time.monotonic() + _PROGRESS_INTERVAL_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            match error:
                case None:
                    self._close("finished")
                case KeyboardInterrupt() | Interrupted():
                    self._close("interrupted")
                case OSError():
                    raise error
                case _:
                    self._close("failed", shown(error, 2000))
        except OSError as failure:
            line = f"after round {self._round}: {self.folder} cannot be written: "
            line += os_error_text(failure)
            self._close("failed", line)
            raise RunError(line) from None

    def open(self) -> None:
        """Write provenance and scenario, and open the tables.

        Raises:
            RunError: a part that the state counts is missing or cannot be read.
        """
        self._begin()
        self._writer = TableWriter(self.folder, self._parts)
        if (rows := self._writer.complete_rows("rounds")) != self._round:
            raise RunError(
                f"{self.folder}: is damaged: its checkpoint is of round {self._round}, and the "
                f"table rounds has {rows} rows; remove the checkpoint, and the run begins again"
            )

    def _begin(self) -> None:
        self.write_provenance("running")
        path = self.folder / SCENARIO
        if not path.exists():
            # After the provenance: a directory with a scenario is one that can be resumed.
            atomic.write(path, tomli_w.dumps(self._scenario.tables()))

    def write(self, tables: Tables, round_number: int, time_s: float) -> None:
        """Take in the rows of a round that ended at ``time_s``; round 0 is before training."""
        assert self._writer is not None, "rows are written after the tables were opened"
        self._writer.write(tables)
        self._round = round_number
        self._time_s = time_s
        for _, row in tables.get("evaluations", ()):
            self._accuracy = float(cast(float, row["accuracy"]))
        if time.monotonic() >= self._progress_due_s:
            self.write_provenance("running")

    def save(self, state: RunState, learner: Learner, policy: Mapping[str, Any]) -> None:
        """Write everything up to the last complete round: parts, checkpoint and provenance."""
        assert self._writer is not None, "a state is saved after the tables were opened"
        self._writer.flush()
        self._writer.fsync()
        state.parts = self._writer.parts()
        checkpoint.save(self.folder, state, learner, policy, digest=self._scenario.digest())
        self.write_provenance("running")
        self._on_checkpoint(self.folder)

    def keep_adapter(self, learner: Learner) -> None:
        """Keep the trained adapter and heads of a run that has made its last round.

        The folder is complete or absent, and written before the run counts as finished.
        """
        new, kept = self.folder / ADAPTER_NEW, self.folder / ADAPTER
        for former in (new, kept):
            shutil.rmtree(former, ignore_errors=True)
        if learner.export(new):
            for path in (*new.iterdir(), new):
                atomic.fsync(path)
            new.replace(kept)
            atomic.fsync(self.folder)

    def write_provenance(self, state: State, error: str | None = None) -> None:
        """Write the provenance with the progress of the run."""
        self._parts = self._writer.parts() if self._writer else self._parts
        accuracy = self._accuracy if np.isfinite(self._accuracy) else None
        progress = RunProgress(
            state, self._round, self._time_s, parts=self._parts, error=error, accuracy=accuracy
        )
        self._provenance.write(self.folder, progress)
        self._progress_due_s = time.monotonic() + _PROGRESS_INTERVAL_S

    def _close(self, state: State, error: str | None = None) -> None:
        try:
            if self._writer:
                self._writer.flush()
                self._writer.fsync()
            self.write_provenance(state, error)
        except OSError:
            # After a failure the disk may be full; the line about it is already on its way.
            if error is None:
                raise
