"""Tables of a scenario file, one module per table."""

from coupling.scenario.tables.base import ScenarioTable
from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from coupling.scenario.tables.devices import DevicesTable
from coupling.scenario.tables.scheduler import SchedulerTable
from coupling.scenario.tables.trace import TraceTable

__all__ = [
    "CellTable",
    "ChannelTable",
    "DevicesTable",
    "ScenarioTable",
    "SchedulerTable",
    "TraceTable",
]
