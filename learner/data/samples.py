"""Labelled samples in the form that the model reads, and how they are put together into batches."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor


class Samples(ABC):
    """Numbered samples with their labels."""

    labels: Int[ndarray, " S"]
    lengths: Int[ndarray, " S"]
    """Tokens of each sample, special ones included and padding left out."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def batch(self, rows: Int[ndarray, " B"]) -> dict[str, Tensor]:
        """Return the model's inputs for these samples, by their Hugging Face names."""

    def labels_of(self, rows: Int[ndarray, "..."]) -> Int[Tensor, "..."]:
        """Return the class numbers of these samples, in the same shape."""
        return torch.from_numpy(self.labels[rows])
