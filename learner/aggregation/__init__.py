"""Aggregation of the devices' updates into the server's step; importing it needs no PyTorch."""

from learner.aggregation.base import (
    AdapterModel,
    Aggregator,
    LinearAggregator,
    Update,
    Weighting,
)
from learner.aggregation.mean import MeanAggregator
from learner.aggregation.registry import build_aggregator, create

__all__ = [
    "AdapterModel",
    "Aggregator",
    "LinearAggregator",
    "MeanAggregator",
    "Update",
    "Weighting",
    "build_aggregator",
    "create",
]
