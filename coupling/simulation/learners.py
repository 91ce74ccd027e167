"""Learners that the simulation wraps around the one of the scenario."""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from learner.base import IdleLearner, Learner
from learner.job import Job, LearningCost, RoundLosses

if TYPE_CHECKING:
    from learner.aggregation.base import Aggregator
    from learner.data import Partition
    from learner.evaluate import Evaluation
    from learner.rng import SubsetFactory


@final
class TimedLearner(Learner):
    """Learner that adds up the wall-clock time of another one's steps, evaluations excepted."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self.wall_s = 0.0
        """Seconds spent in steps since it was last set to 0."""

    @property
    @override
    def partition(self) -> "Partition | None":
        return self._learner.partition

    @property
    @override
    def device(self) -> str | None:
        return self._learner.device

    @property
    @override
    def numerics(self) -> Mapping[str, str]:
        return self._learner.numerics

    @property
    @override
    def samples(self) -> Float[ndarray, " K"] | None:
        return self._learner.samples

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        return self._learner.leg_bits(device, round_number)

    @override
    def leg_bits_of_all(
        self, count: int, round_number: int, subsets: "SubsetFactory"
    ) -> Mapping[str, Float[ndarray, " K"]]:
        return self._learner.leg_bits_of_all(count, round_number, subsets)

    @override
    def start(self, device: int, round_number: int) -> Job | None:
        start_s = perf_counter()
        job = self._learner.start(device, round_number)
        self.wall_s += perf_counter() - start_s
        return job

    @override
    def computed(self, job: Any, step: str) -> None:
        start_s = perf_counter()
        self._learner.computed(job, step)
        self.wall_s += perf_counter() - start_s

    @override
    def delivered(self, job: Any, leg: str) -> None:
        start_s = perf_counter()
        self._learner.delivered(job, leg)
        self.wall_s += perf_counter() - start_s

    @override
    def aggregate(self, aggregator: "Aggregator", round_number: int) -> RoundLosses:
        start_s = perf_counter()
        losses = self._learner.aggregate(aggregator, round_number)
        self.wall_s += perf_counter() - start_s
        return losses

    @override
    def evaluate(self) -> "Evaluation | None":
        return self._learner.evaluate()

    @override
    def measure(self, devices: int) -> LearningCost | None:
        return self._learner.measure(devices)

    @override
    def restore_point(self) -> Callable[[], None] | None:
        return self._learner.restore_point()

    @override
    def save(self, folder: Path) -> None:
        self._learner.save(folder)

    @override
    def export(self, folder: Path) -> bool:
        return self._learner.export(folder)

    @override
    def load(self, folder: Path) -> None:
        self._learner.load(folder)


@final
class UntrainedLearner(IdleLearner):
    """Learner that gives the data, the sizes and the cost of another one, and trains nothing."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    @property
    @override
    def partition(self) -> "Partition | None":
        return self._learner.partition

    @property
    @override
    def device(self) -> str | None:
        return self._learner.device

    @property
    @override
    def samples(self) -> Float[ndarray, " K"] | None:
        return self._learner.samples

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        return self._learner.leg_bits(device, round_number)

    @override
    def leg_bits_of_all(
        self, count: int, round_number: int, subsets: "SubsetFactory"
    ) -> Mapping[str, Float[ndarray, " K"]]:
        return self._learner.leg_bits_of_all(count, round_number, subsets)

    @override
    def measure(self, devices: int) -> LearningCost | None:
        return self._learner.measure(devices)
