"""Split fine-tuning: devices compute embeddings and heads, the server encodes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from typing_extensions import override

from learner import checkpoint
from learner.adapter_files import LowRankUpdate, write_adapter, write_heads
from learner.aggregation import Aggregator
from learner.base import Learner
from learner.build import build_components
from learner.data import Dataset, MinibatchSampler, Partition
from learner.evaluate import Evaluation, evaluate, mean_loss_of_owners
from learner.executor import (
    BatchedExecutor,
    EagerExecutor,
    Executor,
    LearnerComponents,
    SplitPayloads,
    step_cost,
)
from learner.executor.frozen_features import EvaluationFeatures
from learner.job import Job, LearningCost, RoundLosses
from learner.rng import RngFactory, SubsetFactory
from learner.settings import LearnerSettings
from learner.settings.plugins import Load


class DeviceLearner(Learner):
    """Learner whose devices train: the part that split fine-tuning and FedAvg have in common."""

    def __init__(
        self,
        executor: Executor,
        settings: LearnerSettings,
        parts: LearnerComponents,
        sampler: MinibatchSampler,
        test: Dataset,
    ) -> None:
        self.device_count = len(sampler.sizes)
        self.trainable_parameters = parts.split.trainable_parameters
        """Numbers in the LoRA matrices; 0 where they are frozen."""
        self.parts = parts
        self.test = test
        self._executor = executor
        self.settings = settings
        self._sampler = sampler
        self._stages: dict[Job, int] = {}
        """Stage of each job of this round; 0 when it has started."""
        self._stepped: set[int] = set()
        """Devices whose head has stepped in this round."""
        self._busy: set[int] = set()
        self._evaluated = EvaluationFeatures(
            parts.split,
            parts.link,
            [(test, np.arange(len(test))), (parts.samples, parts.panel.rows)],
            token_budget=settings.micro_batch_tokens,
        )

    @property
    @override
    def partition(self) -> Partition:
        return self.parts.partition

    @property
    @override
    def device(self) -> str:
        return str(next(self.parts.split.model.parameters()).device)

    @property
    @override
    def numerics(self) -> Mapping[str, str]:
        return self.parts.split.numerics

    @property
    @override
    def samples(self) -> Float[ndarray, " K"]:
        return self._sampler.sizes.astype(float)

    @override
    def start(self, device: int, round_number: int) -> Job:
        job = self._job(device, round_number)
        assert device not in self._busy, "a device has one job in a round"
        self._busy.add(device)
        self._stages[job] = 0
        return job

    @override
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        stepped = self._stepped
        self._stages = {}
        self._stepped = set()
        self._busy = set()
        with self._execution():
            if self.settings.heads.train == "all":
                self._train_others(round_number, stepped)
            return self._executor.aggregate(aggregator, round_number)

    def _train_others(self, round_number: int, stepped: set[int]) -> None:
        """Train the heads of all other devices, each on its own minibatch, without transfers."""
        for device in range(self.device_count):
            if device not in stepped:
                job = self._job(device, round_number)
                self._executor.embed(job)
                self._executor.encode(job)
                self._executor.head_step(job)

    @override
    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Return loss and accuracy of all devices' heads on the test set, and the panel's loss.

        Test set and panel pass the encoder once; their samples cross the link as in training.
        """
        panel = self.parts.panel
        bank = self.parts.bank
        with self._execution():
            tested, of_panel = self._evaluated.now()
            labels = self.test.labels_of(np.arange(len(self.test)))
            evaluation = evaluate(bank, self.device_count, tested, labels=labels)
            panel_labels = self.parts.samples.labels_of(panel.rows)
            panel_loss = mean_loss_of_owners(bank, panel.owners, of_panel, labels=panel_labels)
            return replace(evaluation, panel_loss=panel_loss)

    @override
    def measure(self, devices: int) -> LearningCost:
        minibatches = [
            self._sampler.minibatch(device, 1) for device in range(min(devices, self.device_count))
        ]
        local_batches = np.stack(minibatches).reshape(
            len(minibatches), self.parts.local_batches, -1
        )
        passes = [rows.ravel() for rows in self._passes(local_batches)]
        with self._execution():
            return step_cost.measure(self.parts, passes, self.test)

    def _passes(
        self, rows: Int64[ndarray, "N local_batches B"]
    ) -> Iterator[Int64[ndarray, "... B"]]:
        """Yield the samples of each pass through the encoder; all devices pass it together."""
        yield from rows.swapaxes(0, 1)

    @override
    def restore_point(self) -> Callable[[], None]:
        return checkpoint.restore_point(self.parts)

    @override
    def save(self, folder: Path) -> None:
        checkpoint.write(folder, self.parts)

    @override
    def load(self, folder: Path) -> None:
        checkpoint.read(folder, self.parts)

    @override
    def export(self, folder: Path) -> bool:
        split = self.parts.split
        scale = self.settings.lora.scale
        updates = {
            adapter.module: LowRankUpdate(adapter.down, adapter.up, scale)
            for adapter in split.adapters
        }
        folder.mkdir()
        write_adapter(folder, updates, self.settings.model)
        write_heads(
            folder,
            self.parts.bank,
            self.device_count,
            inputs=split.accepted(self.test.batch(np.zeros(1, np.int64))),
            special_tokens=split.architecture.num_special_tokens,
        )
        return True

    def _job(self, device: int, round_number: int) -> Job:
        return Job(
            device=device,
            round_number=round_number,
            samples=int(self._sampler.sizes[device]),
            rows=self._sampler.minibatch(device, round_number),
        )

    def _execution(self) -> AbstractContextManager[None]:
        return self.parts.split.precision.execution_context(self.settings.micro_batch_tokens)

    def _advance(self, job: Job, stage: int) -> None:
        assert self._stages.get(job) == stage - 1, (
            "a job's steps follow each other within its round"
        )
        self._stages[job] = stage


class _SplitStage(IntEnum):
    EMBEDDED = 1
    ENCODED = 2
    STEPPED = 3
    ARRIVED = 4


@final
class SplitLearner(DeviceLearner):
    """Split fine-tuning of one encoder by many devices.

    A job advances through the steps ``embed``, ``encode`` and ``head`` to the delivery of its
    ``gradient``, and may stop after any of them where its bits are lost. The step ``backward`` has
    no effect: the backward pass belongs to ``aggregate``. Weights change in ``aggregate``; with
    the eager executor, heads change in their step. The gradient with respect to the feature, (2)
    of Wang et al. (2025), is taken at the head *before* its step.
    """

    def __init__(
        self,
        executor: Executor,
        settings: LearnerSettings,
        parts: LearnerComponents,
        sampler: MinibatchSampler,
        test: Dataset,
    ) -> None:
        super().__init__(executor, settings, parts, sampler=sampler, test=test)
        self._payloads = SplitPayloads(parts, settings.batch_size * settings.local_batches)

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        """Return the bits of embedding, feature and gradient, from the shapes of the minibatch."""
        return self._payloads.of_device(device, round_number)

    @override
    def leg_bits_of_all(
        self, count: int, round_number: int, subsets: SubsetFactory
    ) -> Mapping[str, Float[ndarray, " K"]]:
        """Return ``leg_bits`` of all devices, whose minibatches are drawn together."""
        if self._payloads.are_joint:
            return self._payloads.of_all(round_number, subsets)
        return super().leg_bits_of_all(count, round_number, subsets)

    @override
    def computed(self, job: Job | None, step: str) -> None:
        assert job is not None, "start returns a job"
        with self._execution():
            match step:
                case "embed":
                    self._advance(job, _SplitStage.EMBEDDED)
                    self._executor.embed(job)
                case "encode":
                    self._advance(job, _SplitStage.ENCODED)
                    self._executor.encode(job)
                case "head":
                    self._advance(job, _SplitStage.STEPPED)
                    self._executor.head_step(job)
                    self._stepped.add(job.device)

    @override
    def delivered(self, job: Job | None, leg: str) -> None:
        """Count the update of the job as arrived when its ``gradient`` is delivered."""
        assert job is not None, "start returns a job"
        if leg == "gradient":
            self._advance(job, _SplitStage.ARRIVED)
            with self._execution():
                self._executor.backward(job)


def build(
    settings: LearnerSettings, device_count: int, rng: RngFactory, *, load: Load = import_module
) -> SplitLearner:
    """Load model and data, and return the learner before its first round.

    Raises:
        LearnerInputError: the model or the data cannot be loaded.
    """
    parts, partition, test = build_components(settings, device_count, rng, load_module=load)
    executor = BatchedExecutor(parts) if settings.executor == "batched" else EagerExecutor(parts)
    return SplitLearner(executor, settings, parts, sampler=partition, test=test)
