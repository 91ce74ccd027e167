"""What a mobility model must do."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from numpy import ndarray

from netsim.placement import Placement
from netsim.streams import Streams


class Trajectories(ABC):
    """Where each of K devices is at any time from 0 on.

    A function of time: asking twice, out of order or in a resumed run gives the same positions to
    the last bit, and those of a device depend on nothing but the seed, its number and the model.
    """

    @abstractmethod
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        """Return x and y of all devices in metres."""

    @abstractmethod
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        """Return x and y of some devices in metres at ascending times, the same as ``positions`` at
        each.
        """


class Mobility(ABC):
    """How the devices of a scenario move."""

    @abstractmethod
    def motion(self, placement: Placement, count: int, streams: Streams) -> Trajectories:
        """Return the motion of ``count`` devices that a placement puts in place.

        Raises:
            NetworkInputError: the model does not fit the placement, or its file does not fit the devices.
        """
