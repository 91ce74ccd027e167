"""The learner as the protocol sees it: jobs that follow the bits, and a barrier at the end of the round."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int64

from learner import micro_batches, optimizers, state
from learner.data import Partition, Samples, load, tokenize
from learner.evaluate import Evaluation, evaluate
from learner.executor import Batched, Eager, Executor, Job, Parts
from learner.heads import HeadBank
from learner.lora import attach
from learner.pretrained import load_model, load_tokenizer
from learner.settings import LearnerSettings
from learner.split import Split
from learner.streams import Streams

BITS_PER_NUMBER = 32


@final
@dataclass(frozen=True)
class RoundLosses:
    """What a round's training told."""

    losses: Mapping[int, float]
    """Loss of each device whose head stepped, in nat: the mean over its minibatch, before the step."""

    @property
    def train_loss(self) -> float | None:
        """The mean over those devices; None if there are none."""
        return statistics.fmean(self.losses.values()) if self.losses else None


class _Stage(IntEnum):
    EMBEDDED = 1
    ENCODED = 2
    STEPPED = 3
    ARRIVED = 4


@final
class Learner:
    """Split fine-tuning of one encoder by many devices.

    A job goes ``embed``, ``encode``, ``head_step``, ``backward``, and may stop after any of them where its bits
    are lost. Weights change at ``update``; with the eager executor, heads change at their step. The gradient
    with respect to the feature, (2) of the paper, is taken at the head *before* its step.
    """

    def __init__(
        self, executor: Executor, device_count: int, parts: Parts, partition: Partition, test: Samples
    ) -> None:
        self.device_count = device_count
        self.trainable_parameters = parts.split.trainable_parameters
        """Numbers in the LoRA matrices; 0 where they are frozen."""
        self.parts = parts
        self.partition = partition
        self.test = test
        self._executor = executor
        self._stages: dict[Job, _Stage] = {}

    def payload(self, device: int, round_: int) -> tuple[int, int, int]:
        """Return the bits of a device's embedding, feature and gradient in a round, whether it takes part or not.

        They depend on the shapes of its minibatch only, so nothing is computed.
        """
        embedding_bits, pooled_bits = self._payload(self.partition.minibatch(device, round_))
        return embedding_bits, pooled_bits, pooled_bits

    def _payload(self, rows: Int64[np.ndarray, " B"]) -> tuple[int, int]:
        """Return the bits of the embedding of some samples, and those of their pooled outputs."""
        numbers = self.parts.split.hidden * BITS_PER_NUMBER
        return len(rows) * int(self.parts.samples.lengths[rows].max()) * numbers, len(rows) * numbers

    def embed(self, device: int, round_: int) -> Job:
        """Let the device take its minibatch of the round and embed it."""
        rows = self.partition.minibatch(device, round_)
        embedding_bits, pooled_bits = self._payload(rows)
        job = Job(
            device=device,
            round=round_,
            embedding_bits=embedding_bits,
            feature_bits=pooled_bits,
            gradient_bits=pooled_bits,
            rows=rows,
        )
        assert all(other.device != device for other in self._stages), "a device has one job in a round"
        self._stages[job] = _Stage.EMBEDDED
        self._executor.embed(job)
        return job

    def encode(self, job: Job) -> None:
        """Let the server encode the embedding, which has arrived."""
        self._advance(job, _Stage.ENCODED)
        self._executor.encode(job)

    def head_step(self, job: Job) -> None:
        """Let the device's head, which has received the feature, compute its loss and make a step."""
        self._advance(job, _Stage.STEPPED)
        self._executor.head_step(job)

    def backward(self, job: Job) -> None:
        """Count the job among the arrived: its gradient has reached the server."""
        self._advance(job, _Stage.ARRIVED)
        self._executor.backward(job)

    def update(self) -> RoundLosses:
        """End the round at the barrier: one LoRA step along the mean over the arrived, if there are any.

        Raises DivergedError, LoRA unchanged, if a loss is not finite.
        """
        self._stages.clear()
        return RoundLosses(self._executor.update())

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Return how well all devices' heads classify the test set, by one pass of it through the encoder."""
        everything = np.arange(len(self.test))
        pooled = micro_batches.encode(self.parts.split, self.test, everything, self.parts.micro_batch_tokens)
        return evaluate(self.parts.bank, self.device_count, pooled, self.test.labels_of(everything))

    @property
    def device(self) -> str:
        """Where the server's part of the model computes, such as ``cpu``."""
        return str(next(self.parts.split.model.parameters()).device)

    def save(self, folder: Path) -> None:
        """Write everything that training has changed into a new folder; between two rounds only."""
        state.write(folder, self.parts)

    def load(self, folder: Path) -> None:
        """Go on from what ``save`` wrote; StateError if it is damaged or that of another learner."""
        state.read(folder, self.parts)

    def _advance(self, job: Job, stage: _Stage) -> None:
        assert self._stages.get(job) == stage - 1, "a job's steps follow each other within its round"
        self._stages[job] = stage


def build(settings: LearnerSettings, device_count: int, rng: Streams) -> Learner:
    """Load model and data, and return the learner before its first round; InputError where that fails."""
    dtype = torch.float64 if settings.precision == "float64" else torch.float32
    family, model = load_model(
        settings.model, pooler=settings.pooling == "pooler", dtype=dtype, max_tokens=settings.max_tokens
    )
    split = Split(family, model, settings.pooling, attach(model, family, settings.lora, rng))

    labelled, labelled_test, classes = load(settings.data, rng)
    partition = Partition(
        settings.data,
        len(labelled),
        device_count=device_count,
        batch_size=settings.batch_size,
        rng=rng,
    )
    tokenizer = load_tokenizer(settings.model, model.config.vocab_size)
    samples = tokenize(labelled, tokenizer, settings.max_tokens)
    test = tokenize(labelled_test, tokenizer, settings.max_tokens)

    bank = HeadBank(
        hidden=split.hidden,
        classes=classes,
        heads=settings.heads,
        optimizer=settings.head_optimizer or settings.optimizer,
        dtype=dtype,
        rng=rng,
    )
    matrices = [] if settings.lora.frozen else [m for pair in split.adapters for m in (pair.down, pair.up)]
    lora_optimizer = optimizers.create(settings.optimizer, matrices) if matrices else None
    parts = Parts(split, bank, samples, lora_optimizer, settings.micro_batch_tokens)
    executor = Batched(parts) if settings.executor == "batched" else Eager(parts)
    return Learner(executor, device_count, parts, partition, test)
