"""What an executor does with the steps of a round."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from learner.data import Samples
from learner.errors import DivergedError
from learner.heads import HeadBank
from learner.split import Split


@final
@dataclass(frozen=True, eq=False)
class Job:
    """One device's part in one round: its minibatch, and the bits that each leg over the air carries."""

    device: int
    round: int
    embedding_bits: int
    feature_bits: int
    gradient_bits: int
    rows: Int[ndarray, " B"] = field(repr=False)


@final
@dataclass(frozen=True)
class Parts:
    """What an executor works on: the split model, the heads, the samples, and the server's update rule."""

    split: Split
    bank: HeadBank
    samples: Samples
    lora_optimizer: torch.optim.Optimizer | None
    """None where LoRA is frozen."""
    micro_batch_tokens: int


class Executor(ABC):
    """The steps of a round's jobs, called as simulated time reaches them, each at most once and in this order.

    A head makes its step whether or not its gradient arrives; LoRA makes one along the mean over the arrived.
    """

    @abstractmethod
    def embed(self, job: Job) -> None:
        """Compute the embedding on the device."""

    @abstractmethod
    def encode(self, job: Job) -> None:
        """Compute the pooled output on the server."""

    @abstractmethod
    def head_step(self, job: Job) -> None:
        """Compute loss and gradients on the device, and let its head make a step."""

    @abstractmethod
    def backward(self, job: Job) -> None:
        """Continue the gradient of a job that arrived into the LoRA matrices."""

    @abstractmethod
    def update(self) -> dict[int, float]:
        """End the round: return the loss of every device whose head stepped, and let LoRA make its step.

        Raises DivergedError before that step if a loss is not finite. The jobs are forgotten.
        """


def mean_losses(logits: Float[Tensor, "N B C"], labels: Int[Tensor, "N B"]) -> Float[Tensor, " N"]:
    """Return each device's cross entropy, the mean over its own samples."""
    return (
        functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        .view(labels.shape)
        .mean(1)
    )


def require_finite(losses: Mapping[int, float]) -> None:
    """Raise DivergedError for the first device whose loss is not a finite number."""
    for device, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergedError(device, loss)
