"""Tracker interface: an observer that writes the scalars of each round."""

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from typing_extensions import override

from coupling.scenario.scenario import Scenario
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

PROJECT = "airtune"
"""Project or experiment of the runs in trackers that have one."""


class Tracker(RunObserver):
    """Tracker of one run: it opens with the first round, so that an error before leaves nothing.

    Use it as a context manager, which closes it. A tracker never ends the run: where its package
    raises an error, ``warn`` is called with one line, and the run continues without the tracker.
    """

    package: ClassVar[str | None] = None
    """Package of Python that it needs; None if it needs none."""
    remedy: ClassVar[str] = ""
    """Command that installs the package."""

    def __init__(
        self, folder: Path, scenario: Scenario, warn: Callable[[str], None] = print
    ) -> None:
        self.folder = folder
        """Run directory."""
        self.scenario = scenario
        self._warn = warn
        self._is_open = False
        self._failed = False

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            with self._guarded():
                self.close(failed=error is not None)

    @override
    def on_round(self, record: RoundRecord) -> None:
        if self._failed:
            return
        with self._guarded():
            if not self._is_open:
                self.open(record.round)
                self._is_open = True
            self.write(record.round, scalars(record))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn an error of the tracker's package into one warning, and its output to stderr."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # noqa: BLE001 (a foreign package may raise anything)
            if not self._failed:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                self._warn(f"{type(self).__name__}: stopped, the run continues: {text}")
            self._failed = True

    @abstractmethod
    def open(self, first_round: int) -> None:
        """Begin, or continue a run that is resumed with ``first_round``."""

    @abstractmethod
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        """Write the scalars of a round."""

    @abstractmethod
    def close(self, *, failed: bool) -> None:
        """End, after the last round or an error."""


def scalars(record: RoundRecord) -> dict[str, float]:
    """Return the scalars of a round; one that the round does not have is left out.

    Times are in simulated seconds, energy in joules, losses in nat; accuracy and test loss are
    those of a round that was evaluated.
    """
    evaluation = record.evaluation or {}
    values = {
        "devices_scheduled": len(record.scheduled),
        "devices_arrived": int(record.arrived.sum()),
        "simulated_s": record.time_s,
        "delay_s": record.delay_s,
        "virtual_queue_s": record.virtual_queue_s,
        "energy_j": record.energy_j,
        "train_loss": record.train_loss,
        "test_loss": evaluation.get("loss"),
        "accuracy": evaluation.get("accuracy"),
    }
    return {name: float(value) for name, value in values.items() if value is not None}
