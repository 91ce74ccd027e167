"""What an executor does with the steps of a round."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Int
from numpy import ndarray

from learner import optimizers
from learner.codec import SplitLink
from learner.data import Dataset, Partition
from learner.errors import DivergedError
from learner.heads import HeadBank
from learner.settings import AdamW, Sgd
from learner.split import Split


@final
@dataclass(frozen=True, eq=False)
class Job:
    """One device's part in one round: its minibatch, and the bits that each leg over the air
    carries.
    """

    device: int
    round: int
    embedding_bits: int
    feature_bits: int
    gradient_bits: int
    rows: Int[ndarray, " B"] = field(repr=False)
    """The samples of its local batches, one after another."""
    weight: float = 1.0
    """What its gradient counts in the average over those that arrive."""


@final
@dataclass(frozen=True)
class LearnerComponents:
    """What an executor works on: the split model and its link, the heads, the samples, the server's
    update rule.
    """

    split: Split
    link: SplitLink
    bank: HeadBank
    samples: Dataset
    partition: Partition
    """Which device holds which of them."""
    lora_optimizer: torch.optim.Optimizer | None
    """None where LoRA is frozen."""
    lora_rule: Sgd | AdamW
    micro_batch_tokens: int
    local_batches: int

    def step_lora(self) -> None:
        """Let LoRA make its step along the gradient that its matrices hold."""
        assert self.lora_optimizer is not None, "frozen LoRA has no steps to make"
        optimizers.step(self.lora_optimizer, self.lora_rule)


class Executor(ABC):
    """The steps of a round's jobs, called as simulated time reaches them, each at most once and in
    this order.

    A head makes its steps, one for each local batch, whether or not its gradients arrive; LoRA
    makes one along the weighted mean over the arrived.
    """

    @abstractmethod
    def embed(self, job: Job) -> None:
        """Compute the embedding on the device."""

    @abstractmethod
    def encode(self, job: Job) -> None:
        """Compute the pooled output on the server."""

    @abstractmethod
    def head_step(self, job: Job) -> None:
        """Compute loss and gradients on the device, and let its head make its steps."""

    @abstractmethod
    def backward(self, job: Job) -> None:
        """Continue the gradients of a job that arrived into the LoRA matrices."""

    @abstractmethod
    def update(self) -> dict[int, float]:
        """End the round: return the loss of every device whose head stepped, and let LoRA make its
        step.

        Raises DivergedError before that step if a loss is not finite. The jobs are forgotten.
        """


def require_finite(losses: Mapping[int, float]) -> None:
    """Raise DivergedError for the first device whose loss is not a finite number."""
    for device, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergedError(device, loss)
