"""Random-waypoint mobility, started in its stationary distribution."""

from typing import Annotated, Final, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.geometry import Convex, Xy
from netsim.mobility.base import Mobility
from netsim.mobility.piecewise_linear import Legs, LegSequence, PiecewiseLinearMotion
from netsim.parameters import CONFIG, NonNegative, Range, source
from netsim.placement import Placement
from netsim.streams import Streams, uniform

_MIN_SPACINGS: Final = 1000
"""Minimum diameter of the region, in spacings of the floating-point numbers there."""
_MIN_LENGTH_M: Final = 1e-9
"""Minimum length of a leg, so that its duration is not 0."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class RandomWaypoint(Mobility):
    """Random waypoint: straight legs to uniform points at uniform speeds, with pauses.

    The process starts in its stationary distribution (Navidi and Camp, IEEE Trans. Mobile Computing
    3(1), 2004), so its statistics do not drift. On the leg at time 0 the end points have a density
    in proportion to their distance, the speed has one in proportion to its inverse, and the
    position is uniform on the leg; or the device pauses, and the rest of the pause is uniform. Of
    the placement only the region matters; straight legs require a convex one.
    """

    kind: Annotated[Literal["random_waypoint"], source("cited, Navidi and Camp 2004")] = (
        "random_waypoint"
    )
    speed_mps: Range
    """Minimum and maximum speed of a leg, in metres per second; positive, because otherwise the
    mean speed decays to 0.
    """
    pause_s: NonNegative = 0.0
    """Time at rest after each leg, in seconds."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> PiecewiseLinearMotion:
        region = placement.region()
        if not isinstance(region, Convex):
            raise NetworkInputError(
                "devices.mobility",
                "random_waypoint has straight legs and requires a placement in a convex region; "
                "annulus is not convex",
            )
        if not region.diameter_m():
            raise NetworkInputError(
                "devices.mobility",
                "random_waypoint requires a placement that is not a single point",
            )
        # Between points of so small a region, rounding of the coordinates decides.
        box = region.box()
        farthest_m = max(abs(box.x_m) + box.width_m, abs(box.y_m) + box.height_m)
        if region.diameter_m() < _MIN_SPACINGS * np.spacing(farthest_m):
            raise NetworkInputError(
                "devices.placement",
                f"a region of {region.diameter_m():.3g} m at {farthest_m:.3g} m from the origin is "
                "too small for the precision of its coordinates",
            )
        return PiecewiseLinearMotion(_Waypoints(self, region, streams), count)

    def share_of_pauses(self, mean_leg_m: float) -> float:
        """Return the share of time in pauses, given the mean length of a leg in metres."""
        slow, fast = self.speed_mps
        mean_pace = np.log(fast / slow) / (fast - slow) if fast > slow else 1 / slow
        return float(self.pause_s / (self.pause_s + mean_leg_m * mean_pace))


@final
class _Waypoints(LegSequence):
    """Random-waypoint legs; leg n takes the four words of the Philox counter (device, n)."""

    def __init__(self, model: RandomWaypoint, region: Convex, streams: Streams) -> None:
        self._model = model
        self._region = region
        self._streams = streams
        self._pause_share = model.share_of_pauses(region.mean_distance_m())

    @override
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        u = uniform(self._streams.first_words("stationary waypoint", device))
        start, end = self._stationary_ends(device)
        slow, fast = self._model.speed_mps
        x_m = start[0] + (end[0] - start[0]) * u[0]
        y_m = start[1] + (end[1] - start[1]) * u[0]
        step = np.zeros(len(device), np.int64)
        now_s = np.zeros(len(device))
        speed_mps = slow * (fast / slow) ** u[1]
        legs = self._towards(step, (x_m, y_m), end, speed_mps=speed_mps, depart_s=now_s)
        pausing = np.flatnonzero(u[2] < self._pause_share)
        legs.put(pausing, self._pause(device[pausing], u[3, pausing]))
        return legs

    @override
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        step = legs.step + 1
        u = uniform(self._streams.first_words("waypoint", device, step))
        slow, fast = self._model.speed_mps
        speed_mps = slow + (fast - slow) * u[2]
        end = self._region.points(u[0], u[1])
        start = legs.at(legs.arrive_s)
        return self._towards(step, start, end, speed_mps=speed_mps, depart_s=legs.until_s)

    @override
    def to_plane(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        return x_m, y_m

    def _towards(
        self,
        step: Int[ndarray, " n"],
        start: Xy,
        end: Xy,
        *,
        speed_mps: Float[ndarray, " n"],
        depart_s: Float[ndarray, " n"],
    ) -> Legs:
        """Return legs between two points at a speed, each with its pause."""
        dx_m, dy_m = end[0] - start[0], end[1] - start[1]
        length_m = np.maximum(np.sqrt(dx_m * dx_m + dy_m * dy_m), _MIN_LENGTH_M)
        pace = speed_mps / length_m
        arrive_s = depart_s + 1.0 / pace
        return Legs(
            step=step,
            x_m=start[0],
            y_m=start[1],
            vx_mps=dx_m * pace,
            vy_mps=dy_m * pace,
            depart_s=depart_s,
            arrive_s=arrive_s,
            until_s=arrive_s + self._model.pause_s,
        )

    def _pause(self, device: Int[ndarray, " n"], rest: Float[ndarray, " n"]) -> Legs:
        """Return a leg 0 that is a pause at a uniform point, with a share of the pause left."""
        zero = np.zeros(len(device))
        u = uniform(self._streams.first_words("stationary pause", device))
        x_m, y_m = self._region.points(u[0], u[1])
        return Legs(
            step=np.zeros(len(device), np.int64),
            x_m=x_m,
            y_m=y_m,
            vx_mps=zero,
            vy_mps=zero,
            depart_s=zero,
            arrive_s=zero,
            until_s=self._model.pause_s * rest,
        )

    def _stationary_ends(self, device: Int[ndarray, " n"]) -> tuple[Xy, Xy]:
        """Return the ends of stationary legs: uniform pairs, accepted by their distance."""
        start = np.empty((2, len(device)))
        end = np.empty((2, len(device)))
        pending = np.arange(len(device))
        attempt = 0
        while pending.size:
            # A uniform pair, accepted with probability distance / diameter.
            words = self._streams.first_words("stationary ends", device[pending], attempt)
            u = uniform(words)
            toss_words = self._streams.first_words("stationary toss", device[pending], attempt)
            toss = uniform(toss_words[0])
            start[:, pending] = self._region.points(u[0], u[1])
            end[:, pending] = self._region.points(u[2], u[3])
            length_m = np.sqrt(((end - start)[:, pending] ** 2).sum(axis=0))
            pending = pending[toss * self._region.diameter_m() >= length_m]
            attempt += 1
        return (start[0], start[1]), (end[0], end[1])
