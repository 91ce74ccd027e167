"""TensorBoard tracker: scalars in ``RUN/tensorboard``."""

import time
from collections.abc import Mapping
from typing import Any, final

from typing_extensions import override

from coupling.run_directory.layout import TENSORBOARD
from coupling.trackers.base import Tracker


@final
class TensorBoardTracker(Tracker):
    """TensorBoard writer of the scalars of each round."""

    package = "tensorboard"
    remedy = "pip install 'airtune[tensorboard]'"

    @override
    def open(self, first_round: int) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer: Any = EventFileWriter(str(self.folder / TENSORBOARD))

    @override
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        entries = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = Event(wall_time=time.time(), step=round_number, summary=Summary(value=entries))
        self._writer.add_event(event)

    @override
    def close(self, *, failed: bool) -> None:
        self._writer.close()
