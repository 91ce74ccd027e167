"""The learner as the protocol sees it: jobs that follow the bits, and a barrier at the end of the
round.
"""

import statistics
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int64

from learner import checkpoint, micro_batches
from learner.build import build_components
from learner.codec.link import BITS_PER_NUMBER
from learner.data import Dataset, MinibatchSampler
from learner.evaluate import Evaluation, evaluate
from learner.executor import (
    BatchedExecutor,
    EagerExecutor,
    Executor,
    FedAvgExecutor,
    Job,
    LearnerComponents,
)
from learner.rng import RngFactory
from learner.settings import LearnerSettings


@final
@dataclass(frozen=True)
class RoundLosses:
    """What a round's training told."""

    losses: Mapping[int, float]
    """Loss of each device whose head stepped, in nat: the mean over its minibatch, before the
    step.
    """

    server: float | None = None
    """Loss of the server's own minibatch, where it has one."""

    @property
    def train_loss(self) -> float | None:
        """The server's loss, or else the mean over those devices; None if there are none."""
        return statistics.fmean(self.losses.values()) if self.losses else self.server


class _Stage(IntEnum):
    EMBEDDED = 1
    ENCODED = 2
    STEPPED = 3
    ARRIVED = 4


@final
class SplitLearner:
    """Split fine-tuning of one encoder by many devices.

    A job goes ``embed``, ``encode``, ``head_step``, ``backward``, and may stop after any of them
    where its bits are lost. Weights change at ``update``; with the eager executor, heads change at
    their step. The gradient with respect to the feature, (2) of the paper, is taken at the head
    *before* its step.
    """

    def __init__(
        self,
        executor: Executor,
        settings: LearnerSettings,
        parts: LearnerComponents,
        partition: MinibatchSampler,
        test: Dataset,
    ) -> None:
        self.device_count = len(partition.sizes)
        self.trainable_parameters = parts.split.trainable_parameters
        """Numbers in the LoRA matrices; 0 where they are frozen."""
        self.parts = parts
        self.partition = partition
        self.test = test
        self._executor = executor
        self._settings = settings
        self._stages: dict[Job, _Stage] = {}
        self._busy: set[int] = set()
        lengths = parts.samples.lengths
        # Where all samples are as long, as images are, any minibatch tells the payload of all.
        taken = settings.batch_size * settings.local_batches
        self._alike = np.zeros(taken, np.int64) if (lengths == lengths[0]).all() else None

    def payload(self, device: int, round_number: int) -> tuple[int, int, int]:
        """Return the bits of a device's embedding, feature and gradient in a round, whether it
        takes part or not.

        They depend on the shapes of its minibatch only, so nothing is computed.
        """
        return self._payload(
            self.partition.minibatch(device, round_number) if self._alike is None else self._alike
        )

    def _payload(self, rows: Int64[np.ndarray, " B"]) -> tuple[int, int, int]:
        split, lengths = self.parts.split, self.parts.samples.lengths[rows]
        return self.parts.link.bits(lengths, split.embedding_width, split.feature_width)

    @property
    def adapter_bits(self) -> int:
        """Bits of the LoRA matrices, which a device sends where it trains them itself; its head
        stays with it.
        """
        return self.trainable_parameters * BITS_PER_NUMBER

    def embed(self, device: int, round_number: int) -> Job:
        """Let the device take its minibatches of the round and embed them."""
        job = self._job(device, round_number)
        assert device not in self._busy, "a device has one job in a round"
        self._busy.add(device)
        self._stages[job] = _Stage.EMBEDDED
        with self._guarded():
            self._executor.embed(job)
        return job

    def encode(self, job: Job) -> None:
        """Let the server encode the embedding, which has arrived."""
        self._advance(job, _Stage.ENCODED)
        with self._guarded():
            self._executor.encode(job)

    def head_step(self, job: Job) -> None:
        """Let the device's head, which has received the feature, compute its loss and make its
        steps.
        """
        self._advance(job, _Stage.STEPPED)
        with self._guarded():
            self._executor.head_step(job)

    def backward(self, job: Job) -> None:
        """Count the job among the arrived: its gradient has reached the server."""
        self._advance(job, _Stage.ARRIVED)
        with self._guarded():
            self._executor.backward(job)

    def update(self, round_number: int | None = None) -> RoundLosses:
        """End the round at the barrier: one LoRA step along the mean over the arrived, if there are
        any.

        Where all heads train, those of the devices that took no part do it here, each on its own
        minibatch; where nobody took part this needs to be told the round. Raises DivergedError,
        LoRA unchanged, if a loss is not finite, CodecError if a number cannot cross the link, and
        OutOfMemoryError.
        """
        jobs, stages = list(self._stages), dict(self._stages)
        self._stages.clear()
        self._busy.clear()
        with self._guarded():
            if self._settings.heads.train == "all":
                self._train_others(jobs[0].round if jobs else round_number, stages)
            return RoundLosses(self._executor.update())

    def _train_others(self, round_number: int | None, stages: Mapping[Job, _Stage]) -> None:
        assert round_number is not None, "a round without jobs must be named where all heads train"
        stepped = {job.device for job, stage in stages.items() if stage >= _Stage.STEPPED}
        for device in range(self.device_count):
            if device not in stepped:
                job = self._job(device, round_number)
                for go in (self._executor.embed, self._executor.encode, self._executor.head_step):
                    go(job)

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Return how well all devices' heads classify the test set, by one pass of it through the
        encoder.

        The samples cross the link as in training. Raises DivergedError where a head's loss is not
        finite, CodecError where a number cannot cross, and OutOfMemoryError.
        """
        everything = np.arange(len(self.test))
        budget = self._settings.micro_batch_tokens
        with self._guarded():
            split, link = self.parts.split, self.parts.link
            features = micro_batches.encode(split, link, self.test, everything, budget)
            return evaluate(
                self.parts.bank, self.device_count, features, self.test.labels_of(everything)
            )

    def _job(self, device: int, round_number: int) -> Job:
        rows = self.partition.minibatch(device, round_number)
        embedding_bits, feature_bits, gradient_bits = self._payload(rows)
        by_samples = self._settings.weights == "samples"
        return Job(
            device=device,
            round=round_number,
            embedding_bits=embedding_bits,
            feature_bits=feature_bits,
            gradient_bits=gradient_bits,
            rows=rows,
            weight=float(self.partition.sizes[device]) if by_samples else 1.0,
        )

    def _guarded(self) -> AbstractContextManager[None]:
        return self.parts.split.precision.guard(self._settings.micro_batch_tokens)

    @property
    def device(self) -> str:
        """Where the server's part of the model computes, such as ``cpu``."""
        return str(next(self.parts.split.model.parameters()).device)

    def save(self, folder: Path) -> None:
        """Write everything that training has changed into a new folder; between two rounds only."""
        checkpoint.write(folder, self.parts)

    def load(self, folder: Path) -> None:
        """Go on from what ``save`` wrote; StateError if it is damaged or that of another
        learner.
        """
        checkpoint.read(folder, self.parts)

    def _advance(self, job: Job, stage: _Stage) -> None:
        assert self._stages.get(job) == stage - 1, (
            "a job's steps follow each other within its round"
        )
        self._stages[job] = stage


def build(
    settings: LearnerSettings, device_count: int, rng: RngFactory, *, local_steps: int | None = None
) -> SplitLearner:
    """Load model and data, and return the learner before its first round; InputError where that
    fails.

    With ``local_steps`` the whole model is on the devices: ``head_step`` stands for so many steps
    of a device's LoRA copy and head, a minibatch each, and ``backward`` for the copy's arrival
    (FedAvg).
    """
    if local_steps is not None:
        settings = settings.model_copy(update={"local_batches": local_steps})
    parts, partition, test = build_components(settings, device_count, rng)
    if local_steps is not None:
        return SplitLearner(FedAvgExecutor(parts), settings, parts, partition, test)
    executor = BatchedExecutor(parts) if settings.executor == "batched" else EagerExecutor(parts)
    return SplitLearner(executor, settings, parts, partition, test)
