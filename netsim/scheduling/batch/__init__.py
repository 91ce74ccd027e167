"""Batched scheduling: the rounds of many worlds with equal device counts, decided in one call."""

from netsim.scheduling.batch.policies import algorithm1, exact
from netsim.scheduling.batch.sets import min_delay
from netsim.scheduling.batch.states import AllocationBatch, StateBatch

__all__ = ["AllocationBatch", "StateBatch", "algorithm1", "exact", "min_delay"]
