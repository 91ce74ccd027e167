"""Free-space path loss."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.pathloss.base import PathLoss, distance
from netsim.channel.phase import SPEED_OF_LIGHT_MPS
from netsim.parameters import CONFIG, Place, Positive, source
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class FreeSpace(PathLoss):
    """Free-space path loss ``(lambda / (4 pi d))^2``, Friis 1946, between isotropic antennas.

    Closer than ``lambda / (4 pi)`` the equation does not hold, because there is no far field; the
    gain is 1 there. Left out: antenna gains and the ground.
    """

    kind: Annotated[Literal["free_space"], source("cited, Friis 1946")] = "free_space"
    carrier_hz: Positive
    """Carrier frequency in hertz."""

    @override
    def gain(
        self, position_m: Float[ndarray, "*n axes"], server_m: Place, streams: Streams
    ) -> Float[ndarray, "*n"]:
        near_m = SPEED_OF_LIGHT_MPS / self.carrier_hz / (4 * np.pi)
        far: Float[ndarray, "*n"] = np.maximum(distance(position_m, server_m) / near_m, 1.0)
        return 1.0 / (far * far)
