"""Deferred execution: steps are recorded as bits arrive and executed at the end of the round."""

from abc import abstractmethod
from collections.abc import Set

from typing_extensions import override

from learner.aggregation import Aggregator
from learner.executor.base import Executor, LearnerComponents
from learner.job import Job, RoundLosses


class DeferredExecutor(Executor):
    """Records the jobs whose head stepped and those whose update arrived; members train on them."""

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
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        # Sorted by device, so that the sums do not depend on the order in which features arrived.
        jobs = sorted(self._trained, key=lambda job: job.device)
        arrived = self._arrived
        self._trained = []
        self._arrived = set()
        if not jobs:
            return RoundLosses({}, {})
        return self._learn(jobs, arrived, aggregator, round_number=round_number)

    @abstractmethod
    def _learn(
        self, jobs: list[Job], arrived: Set[Job], aggregator: Aggregator, round_number: int
    ) -> RoundLosses:
        """Execute the steps of the jobs, at least one, and the server's step."""
