"""How the recorded steps of a round are carried out: together, or one by one as a check."""

from learner.executor.base import Executor, Job, LearnerComponents
from learner.executor.batched import BatchedExecutor
from learner.executor.eager import EagerExecutor
from learner.executor.fedavg import FedAvgExecutor

__all__ = [
    "BatchedExecutor",
    "EagerExecutor",
    "Executor",
    "FedAvgExecutor",
    "Job",
    "LearnerComponents",
]
