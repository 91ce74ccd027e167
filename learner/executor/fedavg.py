"""Federated averaging: every device trains a copy of the LoRA matrices, and those that arrive are
averaged.
"""

from collections.abc import Sequence, Set
from typing import final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from learner import optimizers
from learner.executor.base import Job, LearnerComponents
from learner.executor.batched import BatchedExecutor
from learner.executor.deferred import DeferredExecutor


@final
class FedAvgExecutor(DeferredExecutor):
    """FedAvg (McMahan et al., 2017) of the LoRA matrices: one local step for each local batch, then
    the mean.

    A device starts from the shared matrices with a fresh optimizer, whose moments are gone after
    the round; its head steps along and stays on the device. The place in a schedule of the learning
    rate is that of the round, ``(t - 1) E + e`` in local step e of E. The shared matrices become
    the weighted mean over the arrived, and stay as they are, to the last bit, if nobody arrived.
    Devices are run one after another: their matrices differ.
    """

    def __init__(self, parts: LearnerComponents) -> None:
        super().__init__(parts)
        assert parts.lora_optimizer is not None, "frozen LoRA leaves nothing to average"
        self._together = BatchedExecutor(parts)
        self._matrices = [
            matrix for group in parts.lora_optimizer.param_groups for matrix in group["params"]
        ]

    @override
    def _learn(self, jobs: list[Job], arrived: Set[Job]) -> dict[int, float]:
        shared = [matrix.detach().clone() for matrix in self._matrices]
        mean = [torch.zeros_like(matrix) for matrix in shared]
        total = sum(job.weight for job in jobs if job in arrived)
        losses: dict[int, float] = {}
        after = shared
        try:
            for job in jobs:
                self._set(shared)
                losses[job.device] = self._steps(job)
                if job in arrived:
                    for average, matrix in zip(mean, self._matrices, strict=True):
                        average.add_(matrix.detach(), alpha=job.weight / total)
            after = mean if total else shared
        finally:
            self._set(after)
        return losses

    def _steps(self, job: Job) -> float:
        """Train matrices and head on each local batch in turn; return the mean loss, each before
        its step.
        """
        rule, batches = self._parts.lora_rule, self._parts.local_batches
        optimizer = optimizers.create(rule, self._matrices)
        alone = np.ones(1)
        loss_sum = 0.0
        for number, rows in enumerate(
            job.rows.reshape(batches, 1, -1), (job.round - 1) * batches + 1
        ):
            loss_sum += float(self._together.learn_batch([job.device], rows, alone)[0])
            optimizers.step(optimizer, rule, number)
        return loss_sum / batches

    @torch.no_grad()
    def _set(self, values: Sequence[Tensor]) -> None:
        for matrix, value in zip(self._matrices, values, strict=True):
            matrix.copy_(value)
