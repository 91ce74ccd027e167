"""Dataset interface: labelled samples as the model's input, and their batches."""

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor


class Dataset(ABC):
    """Labelled samples, addressed by row."""

    labels: Int[ndarray, " S"]
    lengths: Int[ndarray, " S"]
    """Tokens of each sample, special ones included and padding left out."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def batch(self, rows: Int[ndarray, " B"]) -> dict[str, Tensor]:
        """Return the model's inputs for these samples, by their Hugging Face names."""

    def bits(self, rows: Int[ndarray, " B"]) -> int:
        """Return the bits of these samples as raw data: the model's input and the labels."""
        return self._input_bits(rows) + len(rows) * self._label_bits

    @abstractmethod
    def _input_bits(self, rows: Int[ndarray, " B"]) -> int:
        """Return the bits of the model's input."""

    @cached_property
    def _label_bits(self) -> int:
        return width_bit(self.labels)

    def labels_of(self, rows: Int[ndarray, "..."]) -> Int[Tensor, "..."]:
        """Return the class numbers of these samples, in the same shape."""
        return torch.from_numpy(self.labels[rows])


def width_bit(numbers: Int[ndarray, " S"]) -> int:
    """Return the bits of the smallest unsigned integer that holds all numbers: 8, 16, 32 or 64."""
    return 8 * np.min_scalar_type(int(numbers.max())).itemsize
