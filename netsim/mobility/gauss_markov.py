"""Devices whose velocity changes a little in every step."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.geometry import Rectangle, Xy
from netsim.mobility.base import Mobility
from netsim.mobility.piecewise_linear import Legs, LegSequence, PiecewiseLinearMotion
from netsim.parameters import CONFIG, Point, Positive, source
from netsim.placement import Placement
from netsim.streams import Streams, normal_pairs


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class GaussMarkov(Mobility):
    """Velocity as a first-order autoregression in x and in y (Liang and Haas, INFOCOM 1999).

    ``v(n+1) = a v(n) + (1 - a) mean + sigma sqrt(1 - a^2) w(n)``, ``a = exp(-step / correlation
    time)``, w standard normal, from its stationary distribution on; constant within a step. Devices
    start where they are placed and are reflected by the smallest rectangle along the axes around
    the placement's region, at the same speed.
    """

    kind: Annotated[Literal["gauss_markov"], source("cited, Liang and Haas 1999")] = "gauss_markov"
    sigma_mps: Positive
    """Standard deviation of the velocity, in x and in y, in metres per second."""
    correlation_time_s: Positive
    """Time in which the velocity's autocorrelation falls to 1/e, in seconds."""
    mean_velocity_mps: Point = (0.0, 0.0)
    """Mean velocity in x and y between reflections, in metres per second."""
    step_s: Positive = 1.0
    """Duration of a step, in seconds; a step of each device is drawn, so short ones cost time."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> PiecewiseLinearMotion:
        start_m = placement.positions(count, streams)
        return PiecewiseLinearMotion(
            _Steps(self, start_m, placement.region().box(), streams), count
        )


@final
class _Steps(LegSequence):
    """Gauss-Markov steps in a plane without walls; ``place`` folds it into the rectangle.

    The legs must not be folded one by one: each would need to know whether its velocity was turned
    around.
    """

    def __init__(
        self, model: GaussMarkov, start_m: Float[ndarray, "K 2"], box: Rectangle, streams: Streams
    ) -> None:
        self._model, self._start_m, self._box, self._streams = model, start_m, box, streams

    @override
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        x_m, y_m = self._start_m[device].T
        wx, wy = self._normals(device, np.zeros(len(device), np.int64))
        (mean_x, mean_y), sigma = self._model.mean_velocity_mps, self._model.sigma_mps
        begin_s, end_s = np.zeros(len(device)), np.full(len(device), self._model.step_s)
        step = np.zeros(len(device), np.int64)
        return Legs(step, x_m, y_m, mean_x + sigma * wx, mean_y + sigma * wy, begin_s, end_s, end_s)

    @override
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        model, step = self._model, legs.step + 1
        keep = np.exp(-model.step_s / model.correlation_time_s)
        stir = model.sigma_mps * np.sqrt(-np.expm1(-2 * model.step_s / model.correlation_time_s))
        wx, wy = self._normals(device, step)
        mean_x, mean_y = model.mean_velocity_mps
        vx_mps = mean_x + keep * (legs.vx_mps - mean_x) + stir * wx
        vy_mps = mean_y + keep * (legs.vy_mps - mean_y) + stir * wy
        end_s = (step + 1) * model.step_s
        return Legs(step, *legs.at(legs.until_s), vx_mps, vy_mps, legs.until_s, end_s, end_s)

    @override
    def place(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        box = self._box
        return _folded(x_m, box.x_m, box.width_m), _folded(y_m, box.y_m, box.height_m)

    def _normals(self, device: Int[ndarray, " n"], step: Int[ndarray, " n"]) -> Xy:
        words = self._streams.first_words("gauss_markov", device, step)
        return normal_pairs(words[0], words[1])


def _folded(value: Float[ndarray, "..."], low: float, length: float) -> Float[ndarray, "..."]:
    """Return the value reflected at both ends of an interval as often as it takes."""
    if not length:
        return np.full_like(value, low)
    beyond = np.mod(value - low, 2 * length)
    return low + np.minimum(beyond, 2 * length - beyond)
