"""Static devices: no movement."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.mobility.base import Mobility, Trajectories
from netsim.parameters import CONFIG, source
from netsim.placement import Placement
from netsim.streams import Streams


@final
class Stationary(Trajectories):
    """Stationary devices: constant positions."""

    def __init__(self, position_m: Float[ndarray, "K 2"]) -> None:
        self._position_m = position_m

    @override
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        return self._position_m

    @override
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        return np.broadcast_to(self._position_m[device][:, None], (len(device), len(times_s), 2))


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Static(Mobility):
    """Static devices, as in section V-A of the paper."""

    kind: Annotated[Literal["static"], source("paper, section V-A")] = "static"

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> Stationary:
        return Stationary(placement.positions(count, streams))
