"""FedAvg of the LoRA matrices: devices train copies, and the copies that arrive are averaged."""

from collections.abc import Iterator, Sequence, Set
from typing import final

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner import optimizers
from learner.aggregation import AdapterModel, Aggregator, LinearAggregator, Update
from learner.aggregation.calls import apply_updates, arrived_weights
from learner.executor import adapter_copies, micro_batches
from learner.executor.adapter_copies import AdapterCopies
from learner.executor.base import LearnerComponents
from learner.executor.batched import BatchedExecutor
from learner.executor.deferred import DeferredExecutor
from learner.job import Job, RoundLosses


@final
class FedAvgExecutor(DeferredExecutor):
    """FedAvg (McMahan et al., 2017) of the LoRA matrices, with one local step per local batch.

    A device starts from the shared matrices with a fresh optimizer, whose moments are dropped
    after the round; its head steps too and stays on the device. A schedule of the learning rate
    counts the local steps of all rounds: ``(t - 1) E + e`` in local step e of E of round t. The
    shared matrices become the weighted mean over the copies that arrived. They stay as they are,
    to the last bit, if none arrived. ``together`` trains as many devices in one pass of the encoder
    as a micro-batch has room for; otherwise they train one after another, as a reference.
    """

    def __init__(self, parts: LearnerComponents, *, together: bool) -> None:
        super().__init__(parts)
        assert parts.lora_optimizer is not None, "frozen LoRA leaves nothing to average"
        self._batched = BatchedExecutor(parts)
        self._matrices = parts.matrices
        self._together = together

    @override
    def _learn(
        self, jobs: list[Job], arrived: Set[Job], aggregator: Aggregator, round_number: int
    ) -> RoundLosses:
        shared = [matrix.detach().clone() for matrix in self._matrices]
        mean = [torch.zeros_like(matrix) for matrix in shared]
        is_linear = isinstance(aggregator, LinearAggregator)
        weights = dict.fromkeys(jobs, 0.0)
        if isinstance(aggregator, LinearAggregator):
            counted = arrived_weights(aggregator, jobs, arrived, round_number=round_number)
            weights = dict(zip(jobs, counted, strict=True))
        total = sum(weights.values())
        losses: dict[int, float] = {}
        norms: list[Tensor] = []
        updates: list[tuple[Job, Update]] = []
        after = shared
        train = self._train_together if self._together else self._train_in_turn
        try:
            for job, loss, matrices in train(jobs, shared):
                losses[job.device] = loss
                change = tuple(new - old for new, old in zip(matrices, shared, strict=True))
                norms.append(_norm(change))
                if job in arrived and not is_linear:
                    updates.append((job, Update(change)))
                elif weights[job]:
                    for average, matrix in zip(mean, matrices, strict=True):
                        average.add_(matrix, alpha=weights[job] / total)
            after = mean if total else shared
        finally:
            self._set(after)
        model = AdapterModel(self._matrices, self._add)
        apply_updates(aggregator, updates, round_number, model=model)
        return RoundLosses(losses, dict(zip(losses, torch.stack(norms).tolist(), strict=True)))

    def _train_in_turn(
        self, jobs: Sequence[Job], shared: Sequence[Tensor]
    ) -> Iterator[tuple[Job, float, list[Tensor]]]:
        """Yield each job, its mean loss before a step, and its matrices after the last."""
        rule = self._parts.lora_rule
        alone = np.ones(1)
        for job in jobs:
            self._set(shared)
            optimizer = optimizers.create(rule, self._matrices)
            loss_sum = 0.0
            for number, rows in self._local_batches([job]):
                losses, _ = self._batched.learn_batch([job.device], rows, alone)
                loss_sum += float(losses[0])
                optimizers.step(optimizer, rule, number)
            matrices = [matrix.detach() for matrix in self._matrices]
            yield job, loss_sum / self._parts.local_batches, matrices

    def _train_together(
        self, jobs: Sequence[Job], shared: Sequence[Tensor]
    ) -> Iterator[tuple[Job, float, list[Tensor]]]:
        """Yield the same as ``_train_in_turn``, for devices that pass the encoder together."""
        parts = self._parts
        for group in self._groups(jobs):
            copies = AdapterCopies(parts.split, len(group), parts.lora_rule)
            devices = [job.device for job in group]
            equal = np.ones(len(group))
            loss_sums = np.zeros(len(group))
            with copies.attached():
                for number, rows in self._local_batches(group):
                    losses, _ = self._batched.learn_batch(devices, rows, equal, copies)
                    loss_sums += losses
                    copies.step(number)
            for position, (job, loss_sum) in enumerate(zip(group, loss_sums, strict=True)):
                yield job, float(loss_sum) / parts.local_batches, copies.of(position)

    def _groups(self, jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """Yield the jobs of devices that train together: the tokens of a step are a micro-batch."""
        lengths = self._parts.samples.lengths
        step_tokens = np.array([lengths[job.rows].sum() for job in jobs])
        step_tokens = step_tokens / self._parts.local_batches
        most = adapter_copies.maximum_copies(self._parts.split)
        for first, last in micro_batches.cuts(step_tokens, self._parts.micro_batch_tokens):
            for start in range(first, last, most):
                yield jobs[start : min(start + most, last)]

    def _local_batches(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Int[ndarray, "N B"]]]:
        """Yield the number of each local step in the schedule, and the samples of each job."""
        batches = self._parts.local_batches
        rows = np.stack([job.rows.reshape(batches, -1) for job in jobs], axis=1)
        yield from enumerate(rows, (jobs[0].round_number - 1) * batches + 1)

    @torch.no_grad()
    def _set(self, values: Sequence[Tensor]) -> None:
        for matrix, value in zip(self._matrices, values, strict=True):
            matrix.copy_(value)

    @torch.no_grad()
    def _add(self, change: Sequence[Tensor]) -> None:
        for matrix, value in zip(self._matrices, change, strict=True):
            matrix.add_(value)


def _norm(matrices: Sequence[Tensor]) -> Tensor:
    norms = [torch.linalg.vector_norm(matrix, dtype=torch.float64) for matrix in matrices]
    return torch.linalg.vector_norm(torch.stack(norms))
