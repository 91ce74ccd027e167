"""Log-distance path loss with shadowing."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.pathloss.base import PathLoss, distance
from netsim.channel.pathloss.shadowing import Shadowing
from netsim.parameters import CONFIG, Decibel, Place, Positive, source
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LogDistance(PathLoss):
    """Log-distance model (Rappaport): ``-(loss at d0 + 10 exponent log10(d / d0)) + shadow`` in dB.

    Closer than ``d0`` the loss is that at ``d0``. A shadow may amplify; the gain may exceed 1.
    """

    kind: Annotated[Literal["log_distance"], source("cited, Rappaport")] = "log_distance"
    exponent: Positive
    """Path-loss exponent, without unit."""
    reference_m: Positive
    """Reference distance d0 in metres."""
    reference_loss_db: Decibel
    """Loss at the reference distance in dB, such as that of free space."""
    shadowing: Annotated[Shadowing | None, source("cited, Gudmundson 1991")] = None
    """Log-normal shadows over the plane; none by default."""

    @override
    def gain(
        self, position_m: Float[ndarray, "*n axes"], server_m: Place, streams: Streams
    ) -> Float[ndarray, "*n"]:
        far = np.maximum(distance(position_m, server_m) / self.reference_m, 1.0)
        gain_db = -self.reference_loss_db - 10 * self.exponent * np.log10(far)
        if self.shadowing is not None:
            gain_db = gain_db + self.shadowing.decibel(position_m[..., :2], streams)
        gain: Float[ndarray, "*n"] = 10.0 ** (gain_db / 10)
        return gain
