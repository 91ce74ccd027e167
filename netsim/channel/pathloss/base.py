"""Path-loss model: the interface, and the distance from the server."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.parameters import Place
from netsim.streams import Streams


class PathLoss(ABC):
    """Path loss between a device and the server, before fading."""

    @property
    def lattice_m(self) -> float:
        """Step of the lattice on which moving devices have their gain; 0 if there is none."""
        return 0.0

    @abstractmethod
    def gain(
        self, position_m: Float[ndarray, "*n axes"], server_m: Place, streams: Streams
    ) -> Float[ndarray, "*n"]:
        """Return the linear power gain from each position; 1 means no loss.

        Positions have two axes, x and y in metres, or three where the scenario has heights; the
        server has as many. In one world the gain is a function of position alone; random parts such
        as shadows come from ``streams``.
        """

    def lattice_gain(
        self, position_m: Float[ndarray, "n 2"], server_m: Place, streams: Streams
    ) -> Float[ndarray, " n"]:
        """Return the gain at points of the lattice; a cheaper approximation is permitted."""
        return self.gain(position_m, server_m, streams)


def distance(position_m: Float[ndarray, "*n axes"], server_m: Place) -> Float[ndarray, "*n"]:
    """Return the distance of each position from the server in metres, in two or three axes."""
    dx_m, dy_m = position_m[..., 0] - server_m[0], position_m[..., 1] - server_m[1]
    square = dx_m * dx_m + dy_m * dy_m
    if len(server_m) == 3:
        square = square + (position_m[..., 2] - server_m[2]) ** 2
    return np.sqrt(square)


def with_height(
    position_m: Float[ndarray, "n *T 2"], height_m: Float[ndarray, " n"] | None
) -> Float[ndarray, "n *T axes"]:
    """Return positions with the height of each device as third axis, if there are heights."""
    if height_m is None:
        return position_m
    height = np.broadcast_to(
        height_m.reshape(-1, *[1] * (position_m.ndim - 1)), (*position_m.shape[:-1], 1)
    )
    return np.concatenate([position_m, height], axis=-1)
