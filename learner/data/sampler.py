"""Sampler interface: the minibatch of each device in each round."""

from abc import ABC, abstractmethod

from jaxtyping import Int
from numpy import ndarray


class MinibatchSampler(ABC):
    """Minibatch sampler of K devices."""

    sizes: Int[ndarray, " K"]
    """Number of samples per device."""

    @abstractmethod
    def minibatch(self, device: int, round_number: int) -> Int[ndarray, " B"]:
        """Return the rows of the device's samples in this round."""
