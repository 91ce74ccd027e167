"""Executors of the steps of a round: all jobs together, or one job at a time as a check."""

from learner.executor.base import Executor, LearnerComponents
from learner.executor.batched import BatchedExecutor
from learner.executor.eager import EagerExecutor
from learner.executor.local_training import FedAvgExecutor
from learner.executor.payloads import SplitPayloads

__all__ = [
    "BatchedExecutor",
    "EagerExecutor",
    "Executor",
    "FedAvgExecutor",
    "LearnerComponents",
    "SplitPayloads",
]
