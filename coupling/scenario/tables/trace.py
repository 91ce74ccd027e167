"""Trace settings: the ``[trace]`` table."""

from typing import Literal, final

from coupling.scenario.tables.base import ScenarioTable
from netsim.parameters import Count


@final
class TraceTable(ScenarioTable):
    """Trace: rows and checkpoints of the run directory."""

    devices: Literal["all", "scheduled"] = "all"
    """Rows of the ``devices`` table: every device in every round, or the scheduled ones only."""
    checkpoint_every: Count | None = None
    """Rounds between two checkpoints; by default a checkpoint is written only when the run is
    interrupted.
    """
