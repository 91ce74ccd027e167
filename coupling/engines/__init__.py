"""Where the runs of a sweep are carried out: one file an engine."""

from coupling.engines.base import Ending, Engine, Task
from coupling.engines.local import Local

__all__ = ["Ending", "Engine", "Local", "Task"]
