"""The gains of all devices in a channel block."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from numpy import ndarray

from netsim.fading import Fading
from netsim.pathloss import PathLoss
from netsim.streams import Streams


@final
@dataclass(frozen=True)
class Channel:
    """Power gain ``|h|^2`` between each device and the server: path loss times block fading."""

    path_loss: PathLoss
    fading: Fading
    streams: Streams

    def gain(self, distance_m: Float[ndarray, " K"], block: int) -> Float[ndarray, " K"]:
        """Return the linear power gain of each device in ``block``, without unit."""
        gain: Float[ndarray, " K"] = self.path_loss.gain(distance_m) * self.fading.power(
            len(distance_m), block, self.streams
        )
        return gain
