"""Settings of the learner: the ``[learner]`` table; importing it needs no PyTorch."""

from learner.settings.codec import AnyCodec, Codecs, Leg
from learner.settings.data import (
    IMAGES,
    AnyPartition,
    ByColumn,
    Columns,
    Data,
    Dirichlet,
    Equal,
    Iid,
    Lognormal,
    Shards,
)
from learner.settings.learner import Heads, LearnerSettings, Lora
from learner.settings.optimizer import AdamW, Optimizer, Sgd

__all__ = [
    "IMAGES",
    "AdamW",
    "AnyCodec",
    "AnyPartition",
    "ByColumn",
    "Codecs",
    "Columns",
    "Data",
    "Dirichlet",
    "Equal",
    "Heads",
    "Iid",
    "LearnerSettings",
    "Leg",
    "Lognormal",
    "Lora",
    "Optimizer",
    "Sgd",
    "Shards",
]
