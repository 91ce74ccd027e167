"""Learner interface: the training that a protocol drives. Importing it needs no PyTorch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from learner.aggregation.base import Aggregator
from learner.job import Job, LearningCost, RoundLosses
from learner.rng import SubsetFactory

if TYPE_CHECKING:
    from learner.data import Partition
    from learner.evaluate import Evaluation


class Learner(ABC):
    """Learner of a run, driven by the protocol.

    Jobs advance as steps are computed and legs delivered in simulated time. A learner ignores
    steps and legs that it does not know, so that a protocol may have more.
    """

    @property
    @abstractmethod
    def partition(self) -> "Partition | None":
        """Partition of the training samples over the devices; None without data."""

    @property
    @abstractmethod
    def device(self) -> str | None:
        """PyTorch device of the server's part of the model, such as ``cpu``; None without one."""

    @property
    def numerics(self) -> Mapping[str, str]:
        """Number format and attention in use, by their keys in the settings; by default none.

        A resumed run computes with them, where the settings say ``auto``.
        """
        return {}

    @property
    @abstractmethod
    def samples(self) -> Float[ndarray, " K"] | None:
        """Number of training samples per device; None without data."""

    @abstractmethod
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        """Return the bits of each leg of a device in a round, before anything is computed."""

    def leg_bits_of_all(
        self, count: int, round_number: int, subsets: SubsetFactory
    ) -> Mapping[str, Float[ndarray, " K"]]:
        """Return ``leg_bits`` of the devices from 0 to ``count``, by default one after another.

        ``subsets`` has the streams from which the learner draws.
        """
        sizes = [self.leg_bits(device, round_number) for device in range(count)]
        return {leg: np.array([size[leg] for size in sizes], float) for leg in sizes[0]}

    @abstractmethod
    def start(self, device: int, round_number: int) -> Job | None:
        """Start the job of a device in a round; None if nothing is learned."""

    @abstractmethod
    def computed(self, job: Job | None, step: str) -> None:
        """Record that a step of the job has been computed in simulated time, and execute it."""

    @abstractmethod
    def delivered(self, job: Job | None, leg: str) -> None:
        """Record that a leg of the job has been delivered."""

    @abstractmethod
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        """Make the server's step from the updates that arrived, and end the round's jobs.

        Raises:
            DivergedError: a loss is not finite; the adapters stay as they are.
            AggregatorError: the aggregator fails, or returns something that is no update.
            CodecError: a number cannot cross the link.
            OutOfMemoryError: the device has no room for a micro-batch.
        """

    @abstractmethod
    def evaluate(self) -> "Evaluation | None":
        """Return loss and accuracy on the test set; None if nothing is learned.

        Raises:
            DivergedError: the loss of a head is not finite.
            CodecError: a number cannot cross the link.
            OutOfMemoryError: the device has no room for a micro-batch.
        """

    def measure(self, devices: int) -> LearningCost | None:
        """Return the cost of rounds with that many devices; None if nothing is learned.

        Forward and backward pass of micro-batches of the first round are timed; no weight changes.

        Raises:
            OutOfMemoryError: the device has no room for a micro-batch.
            CodecError: a number cannot cross the link.
        """
        return None

    def restore_point(self) -> Callable[[], None] | None:
        """Return the function that undoes the training from here on; None if there is no undo.

        A function that an earlier call returned is no longer valid.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that training has changed into a new folder, between two rounds."""

    def export(self, folder: Path) -> bool:
        """Write the trained adapter and heads into a new folder; return whether there are any.

        ``learner.adapter_files`` has the format of the files.
        """
        return False

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Restore the state that ``save`` wrote.

        Raises:
            StateError: the state is damaged, or it belongs to another learner.
        """


class IdleLearner(Learner):
    """Learner that trains nothing: the part that all learners without training have in common."""

    @override
    def start(self, device: int, round_number: int) -> None:
        return None

    @override
    def computed(self, job: Job | None, step: str) -> None:
        pass

    @override
    def delivered(self, job: Job | None, leg: str) -> None:
        pass

    @override
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        return RoundLosses({}, {})

    @override
    def evaluate(self) -> None:
        return None

    @override
    def save(self, folder: Path) -> None:
        pass

    @override
    def load(self, folder: Path) -> None:
        pass


@final
class NoLearner(IdleLearner):
    """Learner of a run of the network alone: it learns nothing."""

    def __init__(self, sizes: Learner | None = None, partition: "Partition | None" = None) -> None:
        self._sizes = sizes
        """Learner that gives the bits of the legs; None where the scenario gives them."""
        self._partition = partition
        """Partition of the samples, where policies are to see the sizes of the shares."""

    @property
    @override
    def partition(self) -> "Partition | None":
        return self._partition

    @property
    @override
    def device(self) -> None:
        return None

    @property
    @override
    def samples(self) -> Float[ndarray, " K"] | None:
        return None if self._partition is None else self._partition.sizes.astype(float)

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        assert self._sizes is not None, "validated: actual bits need a learner"
        return self._sizes.leg_bits(device, round_number)

    @override
    def leg_bits_of_all(
        self, count: int, round_number: int, subsets: SubsetFactory
    ) -> Mapping[str, Float[ndarray, " K"]]:
        assert self._sizes is not None, "validated: actual bits need a learner"
        return self._sizes.leg_bits_of_all(count, round_number, subsets)

    @override
    def restore_point(self) -> Callable[[], None]:
        return _nothing


def _nothing() -> None:
    """Undo nothing."""
