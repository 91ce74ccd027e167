"""Trackio tracker: a local database that ``trackio show`` opens."""

from collections.abc import Mapping
from typing import Any, final

from typing_extensions import override

from coupling.trackers.base import PROJECT, Tracker


@final
class TrackioTracker(Tracker):
    """Trackio run with the scenario as its configuration."""

    package = "trackio"
    remedy = "pip install trackio"

    @override
    def open(self, first_round: int) -> None:
        import trackio

        self._run: Any = trackio.init(
            project=PROJECT, name=self.folder.name, config=self.scenario.tables()
        )

    @override
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=round_number)

    @override
    def close(self, *, failed: bool) -> None:
        self._run.finish()
