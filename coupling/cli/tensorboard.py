"""TensorBoard scalars of a run, written after every round."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from typing_extensions import override

from coupling.scenario.errors import ScenarioError
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord


@final
class TensorBoard(RunObserver):
    """TensorBoard writer of the scalars of each round.

    The scalars are ``devices_scheduled``, ``simulated_s``, and if the round has them ``train_loss``
    (nat) and ``accuracy``. The first round creates the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to write into ``folder``.

        Raises:
            ScenarioError: TensorBoard is not installed.
        """
        require_tensorboard()
        self._folder = folder
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    @override
    def on_round(self, record: RoundRecord) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._writer is None:
            self._writer = EventFileWriter(str(self._folder))
        values = [
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in scalars(record).items()
            if value is not None
        ]
        summary = Summary(value=values)
        self._writer.add_event(Event(wall_time=time.time(), step=record.round, summary=summary))


def require_tensorboard() -> None:
    """Make sure that TensorBoard is installed.

    Raises:
        ScenarioError: it is not.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ScenarioError(
            "--tensorboard: tensorboard is not installed; pip install 'airtune[tensorboard]'"
        ) from None


def scalars(record: RoundRecord) -> dict[str, float | None]:
    """Return the scalars of a round; None where the round has no value.

    Only a round that was evaluated has an accuracy.
    """
    evaluation = record.evaluation
    return {
        "devices_scheduled": len(record.scheduled),
        "simulated_s": record.time_s,
        "train_loss": record.train_loss,
        "accuracy": None if evaluation is None else evaluation["accuracy"],
    }
