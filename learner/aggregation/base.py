"""Aggregator interface: several devices' updates become one server step. Needs no PyTorch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from learner.errors import AggregatorError
from learner.job import Job

# Run-time checks of annotations see Any, so that importing this module does not import PyTorch.
if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any

Weighting = Literal["uniform", "samples"]


@final
@dataclass(frozen=True)
class Update:
    """Update of the LoRA matrices by one device, one tensor per matrix.

    Split step: the gradient of the device's loss, the mean over its local batches, as the server
    reads it. FedAvg: the change of the device's copy during its local steps.
    """

    matrices: tuple[Tensor, ...]


@final
@dataclass(frozen=True)
class AdapterModel:
    """LoRA matrices of the server, A and B of each adapted module in turn, and their step."""

    matrices: tuple[Tensor, ...]
    """Present values."""
    _step: Callable[[Sequence[Tensor]], None]

    def step(self, combined: Sequence[Tensor]) -> None:
        """Make the server's step along the combined update, one tensor per matrix.

        Split step: the optimizer's step along this gradient. FedAvg: the matrices change by it.

        Raises:
            AggregatorError: a tensor has another shape than its matrix, or is not finite.
        """
        shapes = [tuple(matrix.shape) for matrix in self.matrices]
        if [tuple(values.shape) for values in combined] != shapes:
            raise AggregatorError("the combined update does not have the shapes of the matrices")
        if not all(bool(values.isfinite().all()) for values in combined):
            raise AggregatorError("the combined update holds a number that is not finite")
        self._step(combined)


class Aggregator(ABC):
    """Aggregation rule: combines the updates that arrived into one step of the server.

    Executors call ``add`` once per arrived update and then ``apply``. A rule that is a weighted
    mean of the updates is a ``LinearAggregator``, which is faster.
    """

    def __init__(self, weighting: Weighting = "uniform") -> None:
        self.weighting: Weighting = weighting
        """``learner.weights``."""

    def base_weights(self, jobs: Sequence[Job]) -> Float[ndarray, " N"]:
        """Return the weights that ``learner.weights`` gives: 1, or the device's samples."""
        by_samples = self.weighting == "samples"
        return np.array([float(job.samples) if by_samples else 1.0 for job in jobs])

    @abstractmethod
    def add(self, job: Job, update: Update, staleness: int) -> None:
        """Take in the update of a job that arrived ``staleness`` rounds after its start."""

    @abstractmethod
    def apply(self, model: AdapterModel) -> None:
        """Combine the updates, call ``model.step`` with the result, and forget the updates."""


class LinearAggregator(Aggregator):
    """Weighted mean of the updates; members define the weights.

    Executors then form the mean without forming each update: the split step weights the devices'
    gradients at the cut, and one backward pass gives their mean.
    """

    def __init__(self, weighting: Weighting = "uniform") -> None:
        super().__init__(weighting)
        self._added: list[tuple[Job, Update, int]] = []

    @abstractmethod
    def weights(self, jobs: Sequence[Job], staleness: Int[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Return the weight of each update relative to the others; only their ratios matter.

        ``staleness`` is the number of rounds from the start of each job to this one.
        """

    @override
    def add(self, job: Job, update: Update, staleness: int) -> None:
        self._added.append((job, update, staleness))

    @override
    def apply(self, model: AdapterModel) -> None:
        added = self._added
        self._added = []
        staleness = np.array([age for _, _, age in added])
        weights = self.weights([job for job, _, _ in added], staleness)
        shares = (weights / weights.sum()).tolist()
        by_matrix = zip(*(update.matrices for _, update, _ in added), strict=True)
        model.step(
            [
                sum(share * values for share, values in zip(shares, by_device, strict=True))
                for by_device in by_matrix
            ]
        )
