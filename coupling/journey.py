"""A run on its way: its tables, its state and its provenance, kept however it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from coupling import checkpoint
from coupling.checkpoint import RunState
from coupling.learning import Learning
from coupling.problems import Interrupted, RunError, reason
from coupling.provenance import Progress, Provenance
from coupling.recorder import Recorder
from coupling.scenario import Scenario


@final
class Journey:
    """What is written of one run while it goes on."""

    def __init__(
        self,
        folder: Path,
        scenario: Scenario,
        learning: Learning,
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
        self._recorder: Recorder | None = None

    def open_tables(self) -> Recorder:
        """Return the tables, which go on behind the parts that the state counts; later parts are dropped."""
        self._recorder = Recorder(self.folder, self.state.parts)
        return self._recorder

    def save(self) -> None:
        """Write everything up to the last complete round: parts, checkpoint and provenance."""
        assert self._recorder is not None, "a state is saved after the tables were opened"
        self._recorder.flush()
        self._recorder.to_disk()
        self.state.parts = self._recorder.parts()
        checkpoint.save(self.folder, self.state, self.learning, self.scenario.digest())
        self.note("running")
        self._on_save(self.folder)

    def note(self, state: str, error: str | None = None) -> None:
        """Write the provenance."""
        parts = self._recorder.parts() if self._recorder else self.state.parts
        progress = Progress(state, self.state.round, self.state.time_s, parts, error)
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
            line = f"after round {self.state.round}: {self.folder} cannot be written: {reason(error)}"
            self._close("failed", line)
            raise RunError(line) from None
        except BaseException as error:
            self._close("failed", str(error))
            raise

    def _close(self, state: str, error: str | None = None) -> None:
        try:
            if self._recorder:
                self._recorder.flush()
                self._recorder.to_disk()
            self.note(state, error)
        except OSError:
            # After a failure the disk may be full; the line about it is already on its way.
            if error is None:
                raise
