"""Each step when it is called, device by device: slow, and the plain reading of the protocol."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from learner.architectures import CutActivations
from learner.executor.base import Executor, Job, LearnerComponents, require_finite


@final
@dataclass(frozen=True)
class _Encoded:
    """The server's pooled output with its graph, and what the device reads of it."""

    output: Float[Tensor, "B H"]
    feature: Float[Tensor, "B H"]


@final
class EagerExecutor(Executor):
    """What `batched` must equal: tensors wait here while their bits travel.

    A device whose loss is not finite makes no step, but those before it did.
    """

    def __init__(self, parts: LearnerComponents) -> None:
        self._parts = parts
        self._embedded: dict[Job, CutActivations] = {}
        self._encoded: dict[Job, _Encoded] = {}
        self._losses: dict[int, float] = {}
        self._arrived = 0.0

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
        self._encoded[job] = _Encoded(output, feature.requires_grad_())

    @override
    def head_step(self, job: Job) -> None:
        batches = self._parts.local_batches
        feature = self._encoded[job].feature
        labels = self._parts.samples.labels_of(job.rows).to(feature.device)
        loss_sum = 0.0
        for seen, expected in zip(feature.chunk(batches), labels.chunk(batches), strict=True):
            stack = self._parts.bank.stack([job.device])
            loss = functional.cross_entropy(stack.logits(seen[None]).squeeze(0), expected)
            loss_sum += loss.item()
            if torch.isfinite(loss):
                torch.autograd.backward(loss)
                self._parts.bank.step([job.device], stack)
        self._losses[job.device] = loss_sum / batches

    @override
    def backward(self, job: Job) -> None:
        encoded = self._encoded.pop(job)
        self._arrived += job.weight
        if self._parts.lora_optimizer is not None and encoded.feature.grad is not None:
            gradient = self._parts.link.gradient(encoded.feature.grad, _owners(job))
            torch.autograd.backward(encoded.output, job.weight * gradient)

    @override
    def update(self) -> dict[int, float]:
        losses, arrived = dict(sorted(self._losses.items())), self._arrived
        self._embedded, self._encoded, self._losses, self._arrived = {}, {}, {}, 0.0
        require_finite(losses)
        optimizer = self._parts.lora_optimizer
        if optimizer is not None and arrived:
            for group in optimizer.param_groups:
                for matrix in group["params"]:
                    matrix.grad /= arrived * self._parts.local_batches
            self._parts.step_lora()
        return losses


def _owners(job: Job) -> Int[ndarray, " B"]:
    return np.full(len(job.rows), job.device)
