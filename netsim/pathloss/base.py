"""What a path-loss model must do."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from numpy import ndarray


class PathLoss(ABC):
    """How much of the power survives the way from a device to the server, before fading."""

    @abstractmethod
    def gain(self, distance_m: Float[ndarray, " K"]) -> Float[ndarray, " K"]:
        """Return the linear power gain; 1 would be a perfect wire."""
