"""Eager execution: each step runs when it is called, device by device, as a slow reference."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from learner.aggregation import AdapterModel, Aggregator, LinearAggregator, Update
from learner.aggregation.calls import apply_updates, arrived_weights
from learner.architectures import CutActivations
from learner.executor.base import Executor, LearnerComponents, require_finite
from learner.job import Job, RoundLosses


@final
@dataclass(frozen=True)
class _EncodedSamples:
    """The server's pooled output with its graph, and the feature that the device reads."""

    output: Float[Tensor, "B H"]
    feature: Float[Tensor, "B H"]


@final
@dataclass(frozen=True)
class _ArrivedGradient:
    """The server's pooled output with its graph, and its gradient as the server reads it."""

    output: Float[Tensor, "B H"]
    gradient: Float[Tensor, "B H"]


@final
class EagerExecutor(Executor):
    """Reference for ``BatchedExecutor``: tensors wait here while their bits travel.

    A device whose loss is not finite makes no step, but the devices before it did.
    """

    def __init__(self, parts: LearnerComponents) -> None:
        self._parts = parts
        self._embedded: dict[Job, CutActivations] = {}
        self._encoded: dict[Job, _EncodedSamples] = {}
        self._losses: dict[int, float] = {}
        self._norms: dict[int, Tensor] = {}
        self._arrived: dict[Job, _ArrivedGradient | None] = {}

    @override
    def embed(self, job: Job) -> None:
        parts = self._parts
        embedded = parts.split.embed(parts.samples.batch(job.rows))
        self._embedded[job] = parts.link.embedding(embedded, _owners(job))

    @override
    def encode(self, job: Job) -> None:
        with torch.set_grad_enabled(self._parts.lora_optimizer is not None):
            output = self._parts.split.encode(self._embedded.pop(job))
        feature = self._parts.link.feature(output.detach(), _owners(job))
        self._encoded[job] = _EncodedSamples(output, feature.requires_grad_())

    @override
    def head_step(self, job: Job) -> None:
        batches = self._parts.local_batches
        feature = self._encoded[job].feature
        labels = self._parts.samples.labels_of(job.rows).to(feature.device)
        loss_sum = 0.0
        for chunk, expected in zip(feature.chunk(batches), labels.chunk(batches), strict=True):
            stack = self._parts.bank.stack([job.device])
            loss = functional.cross_entropy(stack.logits(chunk[None]).squeeze(0), expected)
            loss_sum += loss.item()
            if torch.isfinite(loss):
                torch.autograd.backward(loss)
                self._parts.bank.step([job.device], stack)
        self._losses[job.device] = loss_sum / batches
        self._norms[job.device] = _mean_norm(feature, batches)

    @override
    def backward(self, job: Job) -> None:
        encoded = self._encoded.pop(job)
        self._arrived[job] = None
        if self._parts.lora_optimizer is not None and encoded.feature.grad is not None:
            gradient = self._parts.link.gradient(encoded.feature.grad, _owners(job))
            self._arrived[job] = _ArrivedGradient(encoded.output, gradient)

    @override
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        losses = dict(sorted(self._losses.items()))
        arrived = self._arrived
        norms = torch.stack([self._norms[device] for device in losses]) if losses else None
        self._embedded = {}
        self._encoded = {}
        self._losses = {}
        self._norms = {}
        self._arrived = {}
        require_finite(losses)
        gradients = {job: entry for job, entry in arrived.items() if entry is not None}
        if isinstance(aggregator, LinearAggregator):
            self._step_along_mean(gradients, aggregator, round_number)
        else:
            self._step_apart(gradients, aggregator, round_number)
        by_device = [] if norms is None else norms.tolist()
        return RoundLosses(losses, dict(zip(losses, by_device, strict=True)))

    def _step_along_mean(
        self,
        gradients: dict[Job, _ArrivedGradient],
        aggregator: LinearAggregator,
        round_number: int,
    ) -> None:
        """Make the LoRA step along the weighted mean of the gradients."""
        jobs = list(gradients)
        weights = arrived_weights(aggregator, jobs, set(jobs), round_number=round_number)
        total = sum(weights)
        if not total:
            return
        for weight, entry in zip(weights, gradients.values(), strict=True):
            torch.autograd.backward(entry.output, weight * entry.gradient)
        for matrix in self._parts.matrices:
            assert matrix.grad is not None, "each backward pass reaches every matrix"
            matrix.grad /= total * self._parts.local_batches
        self._parts.step_lora()

    def _step_apart(
        self, gradients: dict[Job, _ArrivedGradient], aggregator: Aggregator, round_number: int
    ) -> None:
        """Let the aggregator combine the LoRA gradient of each device."""
        updates = []
        for job, entry in gradients.items():
            torch.autograd.backward(entry.output, entry.gradient / self._parts.local_batches)
            updates.append((job, Update(self._parts.take_gradients())))
        model = AdapterModel(self._parts.matrices, self._parts.step_lora_along)
        apply_updates(aggregator, updates, round_number, model=model)


def _owners(job: Job) -> Int[ndarray, " B"]:
    return np.full(len(job.rows), job.device)


def _mean_norm(feature: Float[Tensor, "B H"], batches: int) -> Float[Tensor, ""]:
    """Return the norm of the gradient at the features, the mean over the local batches."""
    if feature.grad is None:
        return torch.tensor(float("nan"), dtype=torch.float64, device=feature.device)
    by_batch = feature.grad.view(batches, -1)
    return torch.linalg.vector_norm(by_batch, dim=1, dtype=torch.float64).mean()
