"""Placement: the interface of every distribution of devices."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from numpy import ndarray

from netsim.geometry import Region
from netsim.streams import Streams


class Placement(ABC):
    """Placement of the devices at time 0."""

    @abstractmethod
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        """Return x and y of each device in metres; those of device k do not depend on ``count``.

        Raises:
            NetworkInputError: the placement has no room for ``count`` devices.
        """

    @abstractmethod
    def region(self) -> Region:
        """Return the region that moving devices do not leave."""
