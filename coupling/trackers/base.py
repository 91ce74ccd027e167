"""Tracker interface: an observer that writes the scalars of each round."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from coupling.scenario.scenario import Scenario
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

PROJECT = "airtune"
"""Project or experiment of the runs in trackers that have one."""


class Tracker(RunObserver):
    """Tracker of one run: it opens with the first round, so that an error before leaves nothing.

    Use it as a context manager, which closes it.
    """

    package: ClassVar[str | None] = None
    """Package of Python that it needs; None if it needs none."""
    remedy: ClassVar[str] = ""
    """Command that installs the package."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        """Run directory."""
        self.scenario = scenario
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            self.close(failed=error is not None)

    @override
    def on_round(self, record: RoundRecord) -> None:
        if not self._is_open:
            self.open(record.round)
            self._is_open = True
        self.write(record.round, scalars(record))

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
