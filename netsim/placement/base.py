"""What a placement must do."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from numpy import ndarray

from netsim.geometry import Region
from netsim.streams import Streams


class Placement(ABC):
    """Where the devices stand at time 0."""

    @abstractmethod
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        """Return x and y of each device in metres; device k's never depend on ``count``.

        Raises:
            NetworkInputError: the placement has no room for so many devices.
        """

    @abstractmethod
    def region(self) -> Region:
        """Return the part of the plane to which moving devices keep."""
