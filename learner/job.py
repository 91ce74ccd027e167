"""Job of one device in one round; losses and cost of a round's jobs."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from jaxtyping import Int
from numpy import ndarray


@final
@dataclass(frozen=True, eq=False)
class Job:
    """Training work of one device in one round: the samples that the device takes."""

    device: int
    round_number: int
    """Round in which the job started: its forward pass uses the adapters of that round."""
    samples: int
    """Number of training samples that the device holds."""
    rows: Int[ndarray, " B"] = field(repr=False)
    """Samples of its local batches, one batch after another."""


@final
@dataclass(frozen=True)
class RoundLosses:
    """Training losses and gradient norms of a round, before its steps."""

    losses: Mapping[int, float]
    """Loss of each device whose head stepped, in nat: the mean over its minibatch."""
    gradient_norms: Mapping[int, float]
    """Euclidean norm of the result that each of these devices computes for the server.

    Split step: the gradient of the device's mean loss with respect to its features, before any
    codec; with several local batches, the mean of their norms. FedAvg: the change of the device's
    adapter.
    """
    server: float | None = None
    """Loss of the server's own minibatch; None if the server has none."""

    @property
    def train_loss(self) -> float | None:
        """Mean loss of the devices, or else the server's loss; None if there is neither."""
        return statistics.fmean(self.losses.values()) if self.losses else self.server


@final
@dataclass(frozen=True)
class LearningCost:
    """Wall-clock cost of learning on this machine, estimated from one or two micro-batches."""

    round_s: float
    """Seconds of a round's steps."""
    evaluation_s: float
    """Seconds of an evaluation."""
