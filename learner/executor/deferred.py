"""Executors that remember the steps as bits arrive, and learn at the end of the round."""

from abc import abstractmethod
from collections.abc import Set

from typing_extensions import override

from learner.executor.base import Executor, Job, LearnerComponents


class DeferredExecutor(Executor):
    """Remembers whose head stepped and whose last leg arrived; what is learned from them is the
    member's.
    """

    def __init__(self, parts: LearnerComponents) -> None:
        self._parts = parts
        self._trained: list[Job] = []
        self._arrived: set[Job] = set()

    @override
    def embed(self, job: Job) -> None:
        pass

    @override
    def encode(self, job: Job) -> None:
        pass

    @override
    def head_step(self, job: Job) -> None:
        self._trained.append(job)

    @override
    def backward(self, job: Job) -> None:
        self._arrived.add(job)

    @override
    def update(self) -> dict[int, float]:
        # By device, so that the sums do not depend on the order in which features arrived.
        jobs = sorted(self._trained, key=lambda job: job.device)
        arrived = self._arrived
        self._trained, self._arrived = [], set()
        return self._learn(jobs, arrived) if jobs else {}

    @abstractmethod
    def _learn(self, jobs: list[Job], arrived: Set[Job]) -> dict[int, float]:
        """Carry out the steps of the jobs, at least one; return the loss of each device."""
