"""What a fading law must do."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from numpy import ndarray

from netsim.streams import Streams


class Fading(ABC):
    """The random factor on the power gain in one channel block, with mean 1."""

    @abstractmethod
    def power(self, count: int, block: int, streams: Streams) -> Float[ndarray, " count"]:
        """Return each device's factor in ``block``; device k's never depends on ``count``."""
