"""FedAvg of the LoRA matrices: devices train copies, and the copies that arrive are averaged."""

from collections.abc import Sequence, Set
from typing import final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from learner import optimizers
from learner.aggregation import AdapterModel, Aggregator, LinearAggregator, Update
from learner.aggregation.calls import apply_updates, arrived_weights
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
    to the last bit, if none arrived. Devices run one after another because their matrices differ.
    """

    def __init__(self, parts: LearnerComponents) -> None:
        super().__init__(parts)
        assert parts.lora_optimizer is not None, "frozen LoRA leaves nothing to average"
        self._batched = BatchedExecutor(parts)
        self._matrices = parts.matrices

    @override
    def _learn(
        self, jobs: list[Job], arrived: Set[Job], aggregator: Aggregator, round_number: int
    ) -> RoundLosses:
        shared = [matrix.detach().clone() for matrix in self._matrices]
        mean = [torch.zeros_like(matrix) for matrix in shared]
        is_linear = isinstance(aggregator, LinearAggregator)
        weights = [0.0] * len(jobs)
        if isinstance(aggregator, LinearAggregator):
            weights = arrived_weights(aggregator, jobs, arrived, round_number=round_number)
        total = sum(weights)
        losses: dict[int, float] = {}
        norms: list[Tensor] = []
        updates: list[tuple[Job, Update]] = []
        after = shared
        try:
            for job, weight in zip(jobs, weights, strict=True):
                self._set(shared)
                losses[job.device] = self._train_copy(job)
                change = self._change_from(shared)
                norms.append(_norm(change))
                if job in arrived and not is_linear:
                    updates.append((job, Update(change)))
                elif weight:
                    for average, matrix in zip(mean, self._matrices, strict=True):
                        average.add_(matrix.detach(), alpha=weight / total)
            after = mean if total else shared
        finally:
            self._set(after)
        model = AdapterModel(self._matrices, self._add)
        apply_updates(aggregator, updates, round_number, model=model)
        return RoundLosses(losses, dict(zip(losses, torch.stack(norms).tolist(), strict=True)))

    def _train_copy(self, job: Job) -> float:
        """Train matrices and head on each local batch; return the mean loss before a step."""
        rule = self._parts.lora_rule
        batches = self._parts.local_batches
        optimizer = optimizers.create(rule, self._matrices)
        alone = np.ones(1)
        loss_sum = 0.0
        for number, rows in enumerate(
            job.rows.reshape(batches, 1, -1), (job.round_number - 1) * batches + 1
        ):
            losses, _ = self._batched.learn_batch([job.device], rows, alone)
            loss_sum += float(losses[0])
            optimizers.step(optimizer, rule, number)
        return loss_sum / batches

    def _change_from(self, shared: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            matrix.detach() - start for matrix, start in zip(self._matrices, shared, strict=True)
        )

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
