"""Labelled samples: where they come from, what the model reads of them, which device holds which."""

from learner.data.images import Images, prepare
from learner.data.labelled import Labelled
from learner.data.minibatches import Minibatches
from learner.data.partition import Partition
from learner.data.samples import Samples
from learner.data.sources import load
from learner.data.texts import Texts, tokenize

__all__ = [
    "Images",
    "Labelled",
    "Minibatches",
    "Partition",
    "Samples",
    "Texts",
    "load",
    "prepare",
    "tokenize",
]
