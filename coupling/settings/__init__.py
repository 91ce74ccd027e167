"""The tables of a scenario file, one file each; those of the protocols stand beside their protocols."""

from coupling.settings.cell import Cell
from coupling.settings.channel import Channel
from coupling.settings.devices import Devices
from coupling.settings.scheduler import Scheduler
from coupling.settings.table import Table
from coupling.settings.trace import Trace

__all__ = ["Cell", "Channel", "Devices", "Scheduler", "Table", "Trace"]
