"""Engine interface: tasks in, results out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

from coupling.scenario.scenario import Scenario

Stop = Callable[[], bool]
TaskState = Literal["finished", "failed", "interrupted", "held"]


@final
@dataclass(frozen=True, eq=False)
class Task:
    """One run of a sweep, as an engine gets it."""

    name: str
    """Name of the run directory: a hash of all settings that the run depends on."""
    place: str
    """Directory of the sweep: an absolute path, or a URL that fsspec knows."""
    scenario: Scenario
    learning: bool

    @property
    def path(self) -> str:
        """The run directory."""
        return f"{self.place}/{self.name}"


@final
@dataclass(frozen=True)
class TaskResult:
    """State of a run at the end of its task."""

    task: Task
    state: TaskState
    error: str | None = None
    """The line that reports the failure."""


class Engine(ABC):
    """Executor of the runs of a sweep: processes of this machine, or a cluster."""

    @abstractmethod
    def work(self, tasks: Sequence[Task], stop: Stop) -> Iterator[TaskResult]:
        """Execute the tasks, and yield the result of each task when it ends.

        A run that fails, or whose process or machine is lost, does not affect the other runs. When
        ``stop`` returns true, no further run starts, and each run under way ends after its round
        with its state saved.
        """
