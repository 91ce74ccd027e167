"""TensorBoard scalars of a run, written after every round."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coupling.scenario.errors import ScenarioError
from coupling.simulation.round_loop import RoundReport

Show = Callable[[RoundReport], None]


@contextmanager
def tensorboard(folder: Path, show: Show) -> Iterator[Show]:
    """Wrap the callback ``show`` so that it also writes TensorBoard scalars to ``folder``.

    The scalars per round are ``devices_scheduled``, ``simulated_s``, and if the run has them
    ``train_loss`` (nat) and ``accuracy``. The first round creates the folder.

    Raises:
        ScenarioError: TensorBoard is not installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise ScenarioError(
            "--tensorboard: tensorboard is not installed; pip install 'airtune[tensorboard]'"
        ) from None
    writers: list[Any] = []

    def write(report: RoundReport) -> None:
        show(report)
        if not writers:
            writers.append(EventFileWriter(str(folder)))
        values = [
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in scalars(report).items()
            if value is not None
        ]
        writers[0].add_event(
            Event(wall_time=time.time(), step=report.round, summary=Summary(value=values))
        )

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def scalars(report: RoundReport) -> dict[str, float | None]:
    """Return the scalars of a round; None where the round has no value."""
    return {
        "devices_scheduled": report.scheduled,
        "simulated_s": report.time_s,
        "train_loss": report.train_loss,
        "accuracy": report.accuracy,
    }
