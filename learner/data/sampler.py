"""Where a learner's minibatches come from."""

from abc import ABC, abstractmethod

from jaxtyping import Int
from numpy import ndarray


class MinibatchSampler(ABC):
    """The samples that each of some devices learns from, and those that it takes in a round."""

    sizes: Int[ndarray, " K"]
    """Number of samples of each device."""

    @abstractmethod
    def minibatch(self, device: int, round_number: int) -> Int[ndarray, " B"]:
        """Return the samples that the device takes in that round."""
