"""Labelled samples: sources, preparation for the model, and partition over the devices."""

from learner.data.images import ImageDataset, prepare
from learner.data.labelled import LabelledDataset
from learner.data.panel import Panel
from learner.data.partition import MinibatchSampler, Partition
from learner.data.samples import Dataset
from learner.data.sources import load
from learner.data.texts import TokenizedDataset, tokenize

__all__ = [
    "Dataset",
    "ImageDataset",
    "LabelledDataset",
    "MinibatchSampler",
    "Panel",
    "Partition",
    "TokenizedDataset",
    "load",
    "prepare",
    "tokenize",
]
