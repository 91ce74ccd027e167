"""What an engine is given and what it must tell."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

from coupling.scenario.scenario import Scenario

Stop = Callable[[], bool]
TaskState = Literal["finished", "failed", "interrupted"]


@final
@dataclass(frozen=True, eq=False)
class Task:
    """One run of a sweep."""

    name: str
    """Name of the run directory: a hash of everything that the run depends on."""
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
    """How the work on a run ended."""

    task: Task
    state: TaskState
    error: str | None = None
    """The line about what failed."""


class Engine(ABC):
    """Something that carries out runs: processes of this machine, or a cluster."""

    @abstractmethod
    def work(self, tasks: Sequence[Task], stop: Stop) -> Iterator[TaskResult]:
        """Carry out the tasks, and yield how each ended when it ends.

        A run that fails, or whose process or machine is lost, costs no other run anything. Once
        ``stop`` is true no run is begun any more, and those under way end after their round with
        their state saved.
        """
