"""Optimizer table: update rule and learning-rate schedule, functions of the step count only."""

import math
from typing import Annotated, Literal, TypeAlias, final

from pydantic import Field, model_validator

from learner.settings.base import Count, Fraction, NotNegative, Positive, Settings, source

# Torch raises a traceback for a step size beyond float32, such as 1e39.
LearningRate: TypeAlias = Annotated[float, Field(gt=0, le=1e30)]


@final
class ConstantRate(Settings):
    """Constant learning rate."""

    kind: Literal["constant"] = "constant"
    """Name of the schedule."""

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate in a step; the first is step 1."""
        return 1.0


class _Decay(Settings):
    """Schedule with linear warm-up and decay until the last step."""

    warmup_steps: Annotated[Annotated[int, Field(ge=0, le=2**53)], source("airtune")] = 0
    """Steps of linear warm-up to the full learning rate."""
    total_steps: Count
    """Step of the optimizer after which the learning rate stays constant; every head counts its
    own steps.
    """
    end: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Factor on the learning rate at the end of the decay."""

    @model_validator(mode="after")
    def _in_order(self) -> "_Decay":
        if self.warmup_steps >= self.total_steps:
            raise ValueError(f"warmup_steps = {self.warmup_steps} is not less than total_steps")
        return self

    def progress(self, step: int) -> float:
        """Return the progress of the decay before a step, from 0 to 1."""
        return min((step - 1 - self.warmup_steps) / (self.total_steps - self.warmup_steps), 1.0)


@final
class LinearDecay(_Decay):
    """Linear decay, as in the fine-tuning of BERT."""

    kind: Literal["linear"]
    """Name of the schedule."""

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate in a step; the first is step 1."""
        if step <= self.warmup_steps:
            return step / self.warmup_steps
        return self.end + (1 - self.end) * (1 - self.progress(step))


@final
class CosineDecay(_Decay):
    """Cosine decay (Loshchilov and Hutter, 2017) without restarts."""

    kind: Annotated[Literal["cosine"], source("cited, Loshchilov and Hutter 2017")]
    """Name of the schedule."""

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate in a step; the first is step 1."""
        if step <= self.warmup_steps:
            return step / self.warmup_steps
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * self.progress(step))) / 2


@final
class InverseSqrtDecay(Settings):
    """Inverse square-root decay, with which gradient descent on noisy gradients converges."""

    kind: Literal["inverse_sqrt"]
    """Name of the schedule."""
    warmup_steps: Count = 1
    """Steps of linear warm-up to the full learning rate; they set the pace of the decay too."""

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate in a step; the first is step 1."""
        return min(step / self.warmup_steps, math.sqrt(self.warmup_steps / step))


Schedule: TypeAlias = Annotated[
    ConstantRate | LinearDecay | CosineDecay | InverseSqrtDecay, Field(discriminator="kind")
]


class _Rule(Settings):
    lr: Annotated[LearningRate, source("paper, (3) and (4)")]
    """Learning rate; the paper takes 1e-4."""
    schedule: Annotated[Schedule, source("airtune")] = ConstantRate()
    """Learning-rate schedule."""
    clip_norm: Annotated[Positive | None, source("airtune")] = None
    """Maximum norm of the gradient, to which a longer one is clipped: of all LoRA matrices
    together, or of one head; by default gradients are not clipped.
    """


@final
class Sgd(_Rule):
    """Plain gradient descent, the update that the paper prints as (3) and (4)."""

    kind: Annotated[Literal["sgd"], source("paper, (3) and (4)")]
    """Name of the optimizer."""
    momentum: Annotated[Fraction, source("airtune")] = 0.0
    """Share of the previous step that is kept; 0 is the paper's update."""


@final
class AdamW(_Rule):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: Annotated[Literal["adamw"], source("cited, Loshchilov and Hutter 2019")]
    """Name of the optimizer."""
    beta1: Fraction = 0.9
    """Decay of the mean of the gradients, per step."""
    beta2: Fraction = 0.999
    """Decay of the mean of the squared gradients, per step."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that the step stays finite."""
    weight_decay: NotNegative = 0.0
    """Share of every weight that is removed per step, times the learning rate."""


Optimizer: TypeAlias = Annotated[Sgd | AdamW, Field(discriminator="kind")]
