"""All scheduled devices in one pass: what the simulated clock separates, the processor does
together.
"""

from collections.abc import Iterator, Set
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from learner import micro_batches
from learner.codec import SplitLink
from learner.executor.base import Job, require_finite
from learner.executor.deferred import DeferredExecutor


@final
class BatchedExecutor(DeferredExecutor):
    """Carries out the steps of all devices in one pass.

    Samples of all devices pass the encoder in length-sorted micro-batches, each of them forward,
    through all heads at once, and backward before the next, so that memory holds one at a time.
    What goes backward is the *sum* of the devices' losses: it gives every head its own gradient,
    and, through ``LinkBoundary``, LoRA the weighted mean over the arrived. What has not arrived is
    not carried backward through the encoder.
    """

    @override
    def _learn(self, jobs: list[Job], arrived: Set[Job]) -> dict[int, float]:
        batches = self._parts.local_batches
        counted = [job.weight if job in arrived else 0.0 for job in jobs]
        weights = np.array(counted) / (max(sum(counted), 1e-300) * batches)
        rows = np.stack([job.rows.reshape(batches, -1) for job in jobs], axis=1)
        devices = [job.device for job in jobs]

        total = np.zeros(len(jobs))
        for local_batch in rows:
            total += self.learn_batch(devices, local_batch, weights)
        if arrived and self._parts.lora_optimizer is not None:
            self._parts.step_lora()
        return dict(zip(devices, (total / batches).tolist(), strict=True))

    def learn_batch(
        self, devices: list[int], rows: Int[ndarray, "N B"], weights: Float[ndarray, " N"]
    ) -> Float[ndarray, " N"]:
        """Let every head make one step and LoRA's gradient grow; return each device's loss before
        the step.
        """
        parts = self._parts
        stack = parts.bank.stack(devices)
        flat, owners = rows.ravel(), np.repeat(np.arange(len(devices)), rows.shape[1])
        whose = np.array(devices)[owners]
        losses = torch.zeros(rows.size, dtype=stack.weight.dtype, device=stack.weight.device)
        labels = parts.samples.labels_of(flat).to(losses.device)
        owner = torch.from_numpy(owners).to(losses.device)
        weight = torch.from_numpy(weights[owners]).to(losses)

        for positions, learns in self._micro_batches(flat, weights[owners] > 0):
            with torch.set_grad_enabled(learns):
                sent = parts.split.embed(parts.samples.batch(flat[positions]))
                pooled = parts.split.encode(parts.link.embedding(sent, whose[positions]))
            at = torch.from_numpy(positions).to(losses.device)
            crossing = (pooled, weight[at], parts.link, whose[positions])
            seen = LinkBoundary.apply(*crossing)  # type: ignore[no-untyped-call]
            each = functional.cross_entropy(
                stack.logits_of(seen, owner[at]), labels[at], reduction="none"
            )
            losses[at] = each.detach()
            # A device's loss is the mean over its own samples.
            torch.autograd.backward(each.sum() / rows.shape[1])

        by_device = losses.view(rows.shape).mean(1).double().cpu().numpy()
        require_finite(dict(zip(devices, by_device.tolist(), strict=True)))
        parts.bank.step(devices, stack)
        return by_device

    def _micro_batches(
        self, rows: Int[ndarray, " S"], arrived: Bool[ndarray, " S"]
    ) -> Iterator[tuple[Int[ndarray, " M"], bool]]:
        """Yield positions in ``rows``, and whether LoRA learns from them; those from which it does
        come first.
        """
        learning = arrived if self._parts.lora_optimizer is not None else np.zeros_like(arrived)
        for learns in (True, False):
            chosen = np.flatnonzero(learning == learns)
            lengths = self._parts.samples.lengths[rows[chosen]]
            for batch in micro_batches.by_length(lengths, self._parts.micro_batch_tokens):
                yield chosen[batch], learns


class LinkBoundary(torch.autograd.Function):
    """The node between pooled output and heads, where both cross the link.

    Forward it gives what the devices read of the feature. Backward it gives what the server reads
    of a device's own gradient, times the device's weight: the gradient at the feature that was read
    counts as that of the feature itself (straight-through). Without codecs it is the identity
    forward.
    """

    @override
    @staticmethod
    def forward(
        ctx: Any,
        pooled: Float[Tensor, "S H"],
        weights: Float[Tensor, " S"],
        link: SplitLink,
        owners: Int[ndarray, " S"],
    ) -> Tensor:
        """Return the pooled output as the devices read it."""
        ctx.save_for_backward(weights)
        ctx.link, ctx.owners = link, owners
        return link.feature(pooled, owners).view_as(pooled)

    @override
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return each sample's gradient as the server reads it, times its weight."""
        (weights,) = ctx.saved_tensors
        return ctx.link.gradient(gradients[0], ctx.owners) * weights[:, None], None, None, None
