"""Batched execution: all scheduled devices pass the encoder together at the end of the round."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from learner.aggregation import AdapterModel, Aggregator, LinearAggregator, Update
from learner.aggregation.calls import apply_updates, arrived_weights
from learner.codec import SplitLink
from learner.executor import micro_batches
from learner.executor.adapter_copies import AdapterCopies
from learner.executor.base import require_finite
from learner.executor.deferred import DeferredExecutor
from learner.job import Job, RoundLosses


@final
@dataclass(frozen=True)
class _Samples:
    """Samples of all devices in a row, device by device."""

    rows: Int[ndarray, " S"]
    owners: Int[ndarray, " S"]
    """Position of each sample's device among the devices."""
    devices: Int[ndarray, " S"]
    weights: Float[ndarray, " S"]


@final
class BatchedExecutor(DeferredExecutor):
    """Executes the steps of all devices in one pass.

    Samples of all devices pass the encoder in length-sorted micro-batches. Each micro-batch runs
    forward, through all heads, and backward before the next one starts, so that memory holds one
    at a time. The *sum* of the devices' losses is differentiated: it gives every head its own
    gradient, and, through ``LinkBoundary``, LoRA the weighted mean over the devices whose update
    arrived. Other devices' gradients do not pass the encoder. With an aggregator that is not
    linear, the arrived devices run one after another, and each forms its own LoRA gradient.
    """

    @override
    def _learn(
        self, jobs: list[Job], arrived: Set[Job], aggregator: Aggregator, round_number: int
    ) -> RoundLosses:
        if self._parts.lora_optimizer is None:
            # Frozen LoRA: no update is formed, and no weight has an effect.
            return self._train(jobs, np.zeros(len(jobs)))
        if not isinstance(aggregator, LinearAggregator):
            return self._learn_apart(jobs, arrived, aggregator, round_number=round_number)
        counted = arrived_weights(aggregator, jobs, arrived, round_number=round_number)
        weights = np.array(counted) / (max(sum(counted), 1e-300) * self._parts.local_batches)
        result = self._train(jobs, weights)
        if any(counted):
            self._parts.step_lora()
        return result

    def _learn_apart(
        self, jobs: list[Job], arrived: Set[Job], aggregator: Aggregator, round_number: int
    ) -> RoundLosses:
        """Train device by device; the aggregator takes the update of each that arrived."""
        losses: dict[int, float] = {}
        norms: dict[int, float] = {}
        updates = []
        for job in jobs:
            weight = 1 / self._parts.local_batches if job in arrived else 0.0
            result = self._train([job], np.array([weight]))
            losses |= result.losses
            norms |= result.gradient_norms
            if job in arrived:
                updates.append((job, Update(self._parts.take_gradients())))
        model = AdapterModel(self._parts.matrices, self._parts.step_lora_along)
        apply_updates(aggregator, updates, round_number, model=model)
        return RoundLosses(losses, norms)

    def _train(self, jobs: list[Job], weights: Float[ndarray, " N"]) -> RoundLosses:
        """Step all heads once per local batch, and add up the weighted LoRA gradients."""
        batches = self._parts.local_batches
        rows = np.stack([job.rows.reshape(batches, -1) for job in jobs], axis=1)
        devices = [job.device for job in jobs]
        if self._parts.frozen_features is not None:
            self._parts.frozen_features.meet(rows, jobs[0].round_number)
        total = np.zeros(len(jobs))
        total_norm = np.zeros(len(jobs))
        for local_batch in rows:
            losses, norms = self.learn_batch(devices, local_batch, weights)
            total += losses
            total_norm += norms
        return RoundLosses(
            dict(zip(devices, (total / batches).tolist(), strict=True)),
            dict(zip(devices, (total_norm / batches).tolist(), strict=True)),
        )

    def learn_batch(
        self,
        devices: list[int],
        rows: Int[ndarray, "N B"],
        weights: Float[ndarray, " N"],
        copies: AdapterCopies | None = None,
    ) -> tuple[Float[ndarray, " N"], Float[ndarray, " N"]]:
        """Make one step of every head and add to the LoRA gradient, or to those of the copies.

        Return each device's loss before the step, and the norm of its gradient at the features.
        """
        parts = self._parts
        stack = parts.bank.stack(devices)
        # Samples of all devices in a row: their number, position in the stack, device and label.
        flat = rows.ravel()
        owners = np.repeat(np.arange(len(devices)), rows.shape[1])
        losses = torch.zeros(rows.size, dtype=stack.weight.dtype, device=stack.weight.device)
        norms = torch.zeros(rows.size, dtype=torch.float64, device=losses.device)
        labels = parts.samples.labels_of(flat).to(losses.device)
        owner = torch.from_numpy(owners).to(losses.device)

        samples = _Samples(flat, owners, np.array(devices)[owners], weights[owners])
        for positions, feature in self._features(samples, copies):
            chunk = torch.from_numpy(positions).to(losses.device)
            # Heads: one loss per sample.
            sample_loss = functional.cross_entropy(
                stack.logits_of(feature, owner[chunk]), labels[chunk], reduction="none"
            )
            losses[chunk] = sample_loss.detach()
            # Backward: a device's loss is the mean over its own samples.
            torch.autograd.backward(sample_loss.sum() / rows.shape[1])
            norms[chunk] = torch.linalg.vector_norm(feature.grad, dim=1, dtype=torch.float64)

        loss_by_device = losses.view(rows.shape).mean(1).double()
        norm_by_device = torch.linalg.vector_norm(norms.view(rows.shape), dim=1)
        # One transfer to the host.
        host_losses, host_norms = torch.stack([loss_by_device, norm_by_device]).cpu().numpy()
        require_finite(dict(zip(devices, host_losses.tolist(), strict=True)))
        parts.bank.step(devices, stack)
        return host_losses, host_norms

    def _features(
        self, samples: "_Samples", copies: AdapterCopies | None
    ) -> Iterator[tuple[Int[ndarray, " M"], Float[Tensor, "M H"]]]:
        """Yield the positions in ``samples`` of each micro-batch, and its features.

        They are as the devices read them, and collect their own gradients.
        """
        parts = self._parts
        if parts.frozen_features is not None:
            features = parts.frozen_features.of(samples.rows)
            yield np.arange(len(samples.rows)), features.requires_grad_()
            return
        for batch, learns in self._micro_batches(samples.rows, samples.weights > 0):
            positions = batch
            owners = None
            if copies is not None:
                positions = np.sort(batch)
                owners = samples.owners[positions]
                copies.meet(owners, parts.samples.lengths[samples.rows[positions]])
            devices = samples.devices[positions]
            # Forward: embedding, uplink, encoder.
            with torch.set_grad_enabled(learns):
                sent = parts.split.embed(parts.samples.batch(samples.rows[positions]))
                pooled = parts.split.encode(parts.link.embedding(sent, devices), owners)
            # Downlink of the features, and on the way back uplink of their gradients.
            weight = torch.from_numpy(samples.weights[positions]).to(pooled)
            crossing = (pooled, weight, parts.link, devices)
            feature = LinkBoundary.apply(*crossing)  # type: ignore[no-untyped-call]
            if learns:
                feature.retain_grad()
            else:
                feature.requires_grad_()
            yield positions, feature

    def _micro_batches(
        self, rows: Int[ndarray, " S"], arrived: Bool[ndarray, " S"]
    ) -> Iterator[tuple[Int[ndarray, " M"], bool]]:
        """Yield positions in ``rows``, and whether LoRA learns from them: those first."""
        parts = self._parts
        learning = arrived if parts.lora_optimizer is not None else np.zeros_like(arrived)
        for learns in (True, False):
            chosen = np.flatnonzero(learning == learns)
            lengths = parts.samples.lengths[rows[chosen]]
            for batch in micro_batches.micro_batches(
                parts.split, lengths, parts.micro_batch_tokens
            ):
                yield chosen[batch], learns


class LinkBoundary(torch.autograd.Function):
    """Straight-through estimator at the cut: pooled output and gradient cross the link.

    Forward returns the features as the devices read them. Backward returns each device's own
    gradient as the server reads it, times the device's weight: the gradient at the feature that
    was read counts as that of the feature itself. Without codecs it is the identity forward.
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
        ctx.link = link
        ctx.owners = owners
        return link.feature(pooled, owners).view_as(pooled)

    @override
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return each sample's gradient as the server reads it, times its weight."""
        (weights,) = ctx.saved_tensors
        return ctx.link.gradient(gradients[0], ctx.owners) * weights[:, None], None, None, None
