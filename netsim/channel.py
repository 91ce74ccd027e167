"""The gains of all devices in a channel block."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.fading import Fading
from netsim.gains import ModelledGains
from netsim.pathloss import PathLoss
from netsim.streams import Streams


@final
@dataclass(frozen=True)
class Channel:
    """Power gain ``|h|^2`` between each device and the server, by distance: path loss times block fading."""

    path_loss: PathLoss
    fading: Fading
    streams: Streams

    def gain(self, distance_m: Float[ndarray, " K"], block: int) -> Float[ndarray, " K"]:
        """Return the linear power gain of each device in ``block``, without unit."""
        count = len(distance_m)
        gains = ModelledGains(self.path_loss, self.fading, (0.0, 0.0), count, self.streams)
        position_m = np.stack([distance_m, np.zeros(count)], axis=1)
        return gains.at(slice(0, count), position_m[:, None], np.array([block]), np.zeros(1))[:, 0]
