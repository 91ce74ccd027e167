"""Road mobility: vehicles at constant speed on a straight road."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.geometry import Segment
from netsim.mobility.base import Mobility, Trajectories
from netsim.parameters import CONFIG, Range
from netsim.placement import Placement
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Road(Mobility):
    """Road mobility: each vehicle keeps a uniform random speed along the placement's line.

    A vehicle that reaches an end enters again at the other end. So the number of vehicles is
    constant and they stay uniform on the road. The jump stands for one vehicle that leaves and
    another one that enters. Left out: overtaking and lanes.
    """

    kind: Literal["road"] = "road"
    speed_mps: Range
    """Minimum and maximum speed of the vehicles, in metres per second."""
    direction: Literal["both", "forward"] = "both"
    """``both``: a random half of the vehicles drives from the end of the line to its start."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> Trajectories:
        line = placement.region()
        if not isinstance(line, Segment):
            raise NetworkInputError("devices.mobility", "road needs a placement of kind line")
        u = uniform(streams.words(2 * count, "road").reshape(count, 2))
        slow, fast = self.speed_mps
        speed_mps = slow + (fast - slow) * u[:, 0]
        back = (u[:, 1] < 0.5) & (self.direction == "both")
        return _RoadTraffic(
            line, placement.positions(count, streams), np.where(back, -speed_mps, speed_mps)
        )


@final
class _RoadTraffic(Trajectories):
    """Traffic on a road that is closed to a ring."""

    def __init__(
        self, line: Segment, start_m: Float[ndarray, "K 2"], speed_mps: Float[ndarray, " K"]
    ) -> None:
        self._line = line
        self._speed_mps = speed_mps
        self._length_m = line.diameter_m()
        along = (start_m[:, 0] - line.x_m) * line.dx_m + (start_m[:, 1] - line.y_m) * line.dy_m
        self._start_m = along / self._length_m

    @override
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        return self._at(self._start_m, self._speed_mps, np.array(time_s))

    @override
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        return self._at(self._start_m[device, None], self._speed_mps[device, None], times_s)

    def _at(
        self,
        start_m: Float[ndarray, "..."],
        speed_mps: Float[ndarray, "..."],
        time_s: Float[ndarray, "..."],
    ) -> Float[ndarray, "... 2"]:
        share = np.mod(start_m + speed_mps * time_s, self._length_m) / self._length_m
        return np.stack(self._line.points(share, share), axis=-1)
