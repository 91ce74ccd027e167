"""Path-loss model: the interface, and the distance from the server."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.parameters import Point
from netsim.streams import Streams


class PathLoss(ABC):
    """Path loss between a device and the server, before fading."""

    @abstractmethod
    def gain(
        self, position_m: Float[ndarray, "*n 2"], server_m: Point, streams: Streams
    ) -> Float[ndarray, "*n"]:
        """Return the linear power gain from each position; 1 means no loss.

        In one world the gain is a function of position alone; random parts such as shadows come
        from ``streams``.
        """


def distance(position_m: Float[ndarray, "*n 2"], server_m: Point) -> Float[ndarray, "*n"]:
    """Return the distance of each position from the server, in metres."""
    dx_m, dy_m = position_m[..., 0] - server_m[0], position_m[..., 1] - server_m[1]
    return np.sqrt(dx_m * dx_m + dy_m * dy_m)
