"""Where the runs of a sweep are carried out: one file an engine."""

from coupling.sweeps.engines.base import Engine, Task, TaskResult
from coupling.sweeps.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Task", "TaskResult"]
