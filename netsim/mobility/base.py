"""Mobility model: the interface, and that of the trajectories it creates."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from numpy import ndarray

from netsim.input_columns import Coverage
from netsim.placement import Placement
from netsim.streams import Streams


class Trajectories(ABC):
    """Trajectories of K devices: positions as functions of time, from 0 on.

    Calls may repeat or come out of order or in a resumed run: the positions are the same to the
    last bit. The positions of a device depend on the seed, its id and the model alone.
    """

    coverage: Coverage | None = None
    """Time that the file of recorded positions covers; None for models."""

    def begin_round(self) -> None:  # noqa: B027 (optional)
        """Begin a round, for trajectories that bound the turns of a round; nothing by default."""

    @abstractmethod
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        """Return x and y of all devices in metres."""

    @abstractmethod
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        """Return x and y of some devices in metres at ascending times, equal to ``positions``."""


class Mobility(ABC):
    """Mobility model of the devices of a scenario."""

    @abstractmethod
    def motion(self, placement: Placement, count: int, streams: Streams) -> Trajectories:
        """Return the trajectories of ``count`` devices from a placement on.

        Raises:
            NetworkInputError: the model does not fit the placement, or its file does not fit the
                devices.
        """
