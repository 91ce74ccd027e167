"""What a mobility model must do."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from numpy import ndarray


class Mobility(ABC):
    """Where the devices are at any time, as a function of time: asking twice or out of order changes nothing."""

    @abstractmethod
    def positions(self, start_m: Float[ndarray, "K 2"], time_s: float) -> Float[ndarray, "K 2"]:
        """Return x and y of each device in metres at ``time_s``, for devices placed at ``start_m``."""
