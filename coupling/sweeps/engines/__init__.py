"""Engines of a sweep: the processes or the cluster that execute its runs, one file per engine."""

from coupling.sweeps.engines.base import Engine, Task, TaskResult
from coupling.sweeps.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Task", "TaskResult"]
