"""How the recorded steps of a round are carried out: together, or one by one as a check."""

from learner.executor.base import Executor, Job, Parts
from learner.executor.batched import Batched
from learner.executor.eager import Eager
from learner.executor.local import Local

__all__ = ["Batched", "Eager", "Executor", "Job", "Local", "Parts"]
