"""Labelled samples: where they come from, how they become tokens, which device holds which."""

from learner.data.labelled import Labelled
from learner.data.partition import Partition
from learner.data.samples import Samples, tokenize
from learner.data.sources import load

__all__ = ["Labelled", "Partition", "Samples", "load", "tokenize"]
