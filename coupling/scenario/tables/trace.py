"""The ``[trace]`` table."""

from typing import Literal, final

from coupling.scenario.tables.base import ScenarioTable
from netsim.parameters import Count


@final
class TraceTable(ScenarioTable):
    """What the run directory holds."""

    devices: Literal["all", "scheduled"] = "all"
    """Rows of the ``devices`` table: every device in every round, or the scheduled ones only."""
    checkpoint_every: Count | None = None
    """Rounds from one saved state to the next; without it the state is saved only when the run is
    interrupted.
    """
