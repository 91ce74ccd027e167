"""Devices that walk from one random point to the next."""

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

_NEAREST_M: Final = 1e-9
"""A leg that is shorter counts as this long, so that its duration is not 0."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class RandomWaypoint(Mobility):
    """Straight to a uniform point of the placement's region, at a uniform speed; then a pause; and
    again.

    Started in its stationary distribution (Navidi and Camp, IEEE Trans. Mobile Computing 3(1),
    2004), so nothing drifts: on the leg at time 0 the end points have a density in proportion to
    their distance, the speed one in proportion to its inverse, and the device is anywhere on the
    way; or it pauses, with a uniform rest of the pause. Of the placement only the region counts,
    and straight legs need a convex one.
    """

    kind: Annotated[Literal["random_waypoint"], source("cited, Navidi and Camp 2004")] = (
        "random_waypoint"
    )
    speed_mps: Range
    """Least and largest speed of a leg, in metres per second; positive, or the mean speed would
    decay to 0.
    """
    pause_s: NonNegative = 0.0
    """Time at rest after each leg, in seconds."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> PiecewiseLinearMotion:
        region = placement.region()
        if not isinstance(region, Convex):
            raise NetworkInputError(
                "devices.mobility",
                "random_waypoint walks straight and needs a placement in a convex region, not annulus",
            )
        if not region.diameter_m():
            raise NetworkInputError(
                "devices.mobility", "random_waypoint needs a placement that is not a single point"
            )
        return PiecewiseLinearMotion(_Waypoints(self, region, streams), count)

    def share_of_pauses(self, mean_leg_m: float) -> float:
        """Return the probability that a device pauses, given the mean length of a leg."""
        slow, fast = self.speed_mps
        mean_pace = np.log(fast / slow) / (fast - slow) if fast > slow else 1 / slow
        return float(self.pause_s / (self.pause_s + mean_leg_m * mean_pace))


@final
class _Waypoints(LegSequence):
    """Random-waypoint legs; the draw of leg n is one Philox counter (device, n) of four words."""

    def __init__(self, model: RandomWaypoint, region: Convex, streams: Streams) -> None:
        self._model, self._region, self._streams = model, region, streams
        self._pauses = model.share_of_pauses(region.mean_distance_m())

    @override
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        u = uniform(self._streams.first_words("stationary waypoint", device))
        start, end = self._stationary_ends(device)
        slow, fast = self._model.speed_mps
        x_m = start[0] + (end[0] - start[0]) * u[0]
        y_m = start[1] + (end[1] - start[1]) * u[0]
        step, now_s = np.zeros(len(device), np.int64), np.zeros(len(device))
        legs = self._towards(step, (x_m, y_m), end, slow * (fast / slow) ** u[1], now_s)
        resting = np.flatnonzero(u[2] < self._pauses)
        legs.put(resting, self._rest(device[resting], u[3, resting]))
        return legs

    @override
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        step = legs.step + 1
        u = uniform(self._streams.first_words("waypoint", device, step))
        slow, fast = self._model.speed_mps
        speed_mps = slow + (fast - slow) * u[2]
        end = self._region.points(u[0], u[1])
        return self._towards(step, legs.at(legs.arrive_s), end, speed_mps, legs.until_s)

    @override
    def place(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        return x_m, y_m

    def _towards(
        self,
        step: Int[ndarray, " n"],
        start: Xy,
        end: Xy,
        speed_mps: Float[ndarray, " n"],
        depart_s: Float[ndarray, " n"],
    ) -> Legs:
        dx_m, dy_m = end[0] - start[0], end[1] - start[1]
        length_m = np.maximum(np.sqrt(dx_m * dx_m + dy_m * dy_m), _NEAREST_M)
        pace = speed_mps / length_m
        arrive_s = depart_s + 1.0 / pace
        return Legs(
            step,
            *start,
            dx_m * pace,
            dy_m * pace,
            depart_s,
            arrive_s,
            arrive_s + self._model.pause_s,
        )

    def _rest(self, device: Int[ndarray, " n"], left: Float[ndarray, " n"]) -> Legs:
        """Return a leg 0 that is the end of a pause at a uniform point."""
        still, step = np.zeros(len(device)), np.zeros(len(device), np.int64)
        u = uniform(self._streams.first_words("stationary pause", device))
        return Legs(
            step,
            *self._region.points(u[0], u[1]),
            still,
            still,
            still,
            still,
            self._model.pause_s * left,
        )

    def _stationary_ends(self, device: Int[ndarray, " n"]) -> tuple[Xy, Xy]:
        """Return start and end of the legs of stationary devices: uniform pairs, accepted by their
        distance.
        """
        start, end = np.empty((2, len(device))), np.empty((2, len(device)))
        open_, attempt = np.arange(len(device)), 0
        while open_.size:
            u = uniform(self._streams.first_words("stationary ends", device[open_], attempt))
            toss = uniform(self._streams.first_words("stationary toss", device[open_], attempt)[0])
            start[:, open_] = self._region.points(u[0], u[1])
            end[:, open_] = self._region.points(u[2], u[3])
            apart_m = np.sqrt(((end - start)[:, open_] ** 2).sum(axis=0))
            open_, attempt = open_[toss * self._region.diameter_m() >= apart_m], attempt + 1
        return (start[0], start[1]), (end[0], end[1])
