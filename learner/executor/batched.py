"""All scheduled devices in one pass: what the simulated clock separates, the processor does together."""

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from learner import micro_batches
from learner.executor.base import Executor, Job, Parts, mean_losses, require_finite


@final
class Batched(Executor):
    """Remembers which steps were taken, and carries them out at the end of the round.

    Samples of all devices pass the encoder in length-sorted micro-batches; the heads are one batched product;
    one backward of the *sum* of the devices' losses gives every head its own gradient, and, through
    ``WeightedGradient``, LoRA the mean over the arrived.
    """

    def __init__(self, parts: Parts) -> None:
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

    def _learn(self, jobs: list[Job], arrived: set[Job]) -> dict[int, float]:
        parts = self._parts
        optimizer = parts.lora_optimizer if arrived else None
        devices = [job.device for job in jobs]
        rows = np.stack([job.rows for job in jobs])

        with torch.set_grad_enabled(optimizer is not None):
            pooled = micro_batches.encode(parts.split, parts.samples, rows.ravel(), parts.micro_batch_tokens)
        weights = pooled.new_tensor([1 / len(arrived) if job in arrived else 0.0 for job in jobs])
        seen = WeightedGradient.apply(pooled.view(*rows.shape, -1), weights)  # type: ignore[no-untyped-call]
        stack = parts.bank.stack(devices)
        losses = mean_losses(stack.logits(seen), parts.samples.labels_of(rows))
        by_device = dict(zip(devices, losses.tolist(), strict=True))
        require_finite(by_device)

        torch.autograd.backward(losses.sum())
        parts.bank.step(devices, stack)
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return by_device


class WeightedGradient(torch.autograd.Function):
    """The node between pooled output and heads: identity forward, device k's gradient times w_k backward."""

    @override
    @staticmethod
    def forward(ctx: Any, pooled: Float[Tensor, "N B H"], weights: Float[Tensor, " N"]) -> Tensor:
        """Return the pooled output as it is."""
        ctx.save_for_backward(weights)
        return pooled.view_as(pooled)

    @override
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return each device's gradient times its weight."""
        (weights,) = ctx.saved_tensors
        return gradients[0] * weights[:, None, None], None
