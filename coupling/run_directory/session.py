"""A run on its way: its tables, its state and its provenance, kept however it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from coupling.run_directory import checkpoint
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.provenance import Provenance, RunProgress
from coupling.run_directory.writer import TableWriter
from coupling.scenario.errors import Interrupted, RunError, os_error_text
from coupling.scenario.scenario import Scenario
from coupling.simulation.learning import TimedLearner


@final
class RunSession:
    """What is written of one run while it goes on."""

    def __init__(
        self,
        folder: Path,
        scenario: Scenario,
        learning: TimedLearner,
        state: RunState,
        provenance: Provenance,
        on_save: Callable[[Path], None],
    ) -> None:
        self.folder = folder
        self.scenario = scenario
        self.learning = learning
        self.state = state
        self._provenance = provenance
        self._on_save = on_save
        self._recorder: TableWriter | None = None

    def open_tables(self) -> TableWriter:
        """Return the tables, which go on behind the parts that the state counts; later parts are
        dropped.
        """
        self._recorder = TableWriter(self.folder, self.state.parts)
        return self._recorder

    def save(self) -> None:
        """Write everything up to the last complete round: parts, checkpoint and provenance."""
        assert self._recorder is not None, "a state is saved after the tables were opened"
        self._recorder.flush()
        self._recorder.fsync()
        self.state.parts = self._recorder.parts()
        checkpoint.save(self.folder, self.state, self.learning, self.scenario.digest())
        self.note("running")
        self._on_save(self.folder)

    def note(self, state: str, error: str | None = None) -> None:
        """Write the provenance."""
        parts = self._recorder.parts() if self._recorder else self.state.parts
        progress = RunProgress(state, self.state.round, self.state.time_s, parts, error)
        self._provenance.write(self.folder, progress)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what was reached, however what is done inside ends.

        Raises:
            RunError: the directory cannot be written.
        """
        try:
            yield
            self._close("finished")
        except (KeyboardInterrupt, Interrupted):
            self._close("interrupted")
            raise
        except OSError as error:
            line = f"after round {self.state.round}: {self.folder} cannot be written: {os_error_text(error)}"
            self._close("failed", line)
            raise RunError(line) from None
        except BaseException as error:
            self._close("failed", str(error))
            raise

    def _close(self, state: str, error: str | None = None) -> None:
        try:
            if self._recorder:
                self._recorder.flush()
                self._recorder.fsync()
            self.note(state, error)
        except OSError:
            # After a failure the disk may be full; the line about it is already on its way.
            if error is None:
                raise
