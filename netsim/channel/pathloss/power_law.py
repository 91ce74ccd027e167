"""Power-law path loss."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.pathloss.base import PathLoss, distance
from netsim.parameters import CONFIG, Place, Positive, source
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PowerLaw(PathLoss):
    """Power law ``(d / d0) ** -exponent``, section V-A of the paper (exponent 3.5, d0 = 10 m).

    Closer than ``d0`` the law would amplify; the gain is 1 there.
    """

    kind: Annotated[Literal["power_law"], source("paper, section V-A")] = "power_law"
    exponent: Positive
    """Path-loss exponent, without unit."""
    reference_m: Positive
    """Reference distance d0 in metres, where the gain is 1."""

    @override
    def gain(
        self, position_m: Float[ndarray, "*n axes"], server_m: Place, streams: Streams
    ) -> Float[ndarray, "*n"]:
        far: Float[ndarray, "*n"] = np.maximum(
            distance(position_m, server_m) / self.reference_m, 1.0
        )
        return far**-self.exponent
