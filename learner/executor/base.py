"""Executor interface: the PyTorch computations behind the steps of a round's jobs."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from learner import optimizers
from learner.aggregation import Aggregator
from learner.codec import SplitLink
from learner.data import Dataset, Panel, Partition
from learner.errors import DivergedError
from learner.executor.frozen_features import FrozenFeatures
from learner.heads import HeadBank
from learner.job import Job, RoundLosses
from learner.settings import AdamW, Sgd
from learner.split import Split


@final
@dataclass(frozen=True)
class LearnerComponents:
    """Components of a learner: split model, link, heads, samples and the server's update rule."""

    split: Split
    link: SplitLink
    bank: HeadBank
    samples: Dataset
    partition: Partition
    """Partition of the samples over the devices."""
    panel: Panel
    """Training samples whose loss is logged at evaluations."""
    lora_optimizer: torch.optim.Optimizer | None
    """Optimizer of the LoRA matrices; None where LoRA is frozen."""
    lora_rule: Sgd | AdamW
    frozen_features: FrozenFeatures | None
    """Features of the training samples where LoRA is frozen; None where they are not kept."""
    micro_batch_tokens: int
    local_batches: int

    @property
    def matrices(self) -> tuple[nn.Parameter, ...]:
        """LoRA matrices that learn, A and B of each adapted module in turn."""
        if self.lora_optimizer is None:
            return ()
        groups = self.lora_optimizer.param_groups
        return tuple(matrix for group in groups for matrix in group["params"])

    def step_lora(self) -> None:
        """Make the LoRA step along the gradients that the matrices hold."""
        assert self.lora_optimizer is not None, "frozen LoRA has no steps to make"
        optimizers.step(self.lora_optimizer, self.lora_rule)

    def step_lora_along(self, gradients: Sequence[Tensor]) -> None:
        """Make the LoRA step along the given gradients, one per matrix."""
        for matrix, gradient in zip(self.matrices, gradients, strict=True):
            matrix.grad = gradient.detach().to(matrix).clone()
        self.step_lora()

    def take_gradients(self) -> tuple[Tensor, ...]:
        """Return the gradients that the matrices hold, 0 if there are none, and drop them."""
        gradients = tuple(
            torch.zeros_like(matrix) if matrix.grad is None else matrix.grad.detach()
            for matrix in self.matrices
        )
        for matrix in self.matrices:
            matrix.grad = None
        return gradients


class Executor(ABC):
    """Execution of the steps of a round's jobs, each called at most once and in this order.

    A head makes its steps, one per local batch, whether or not its gradients arrive. LoRA makes
    one step from the updates that arrived.
    """

    @abstractmethod
    def embed(self, job: Job) -> None:
        """Compute the embedding on the device."""

    @abstractmethod
    def encode(self, job: Job) -> None:
        """Compute the pooled output on the server."""

    @abstractmethod
    def head_step(self, job: Job) -> None:
        """Compute loss and gradients on the device, and make the steps of its head."""

    @abstractmethod
    def backward(self, job: Job) -> None:
        """Count the job among those whose update arrived at the server."""

    @abstractmethod
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        """End the round: make the LoRA step and return the loss of each device whose head stepped.

        The jobs are forgotten.

        Raises:
            DivergedError: a loss is not finite; LoRA has made no step.
            AggregatorError: the aggregator fails.
        """


def require_finite(losses: Mapping[int, float]) -> None:
    """Raise DivergedError for the first device whose loss is not a finite number."""
    for device, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergedError(device, loss)
