"""Gauss-Markov mobility: velocities that change a little in every step."""

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
    """Gauss-Markov velocity: a first-order autoregression in x and y (Liang and Haas, 1999).

    ``v(n+1) = a v(n) + (1 - a) mean + sigma sqrt(1 - a^2) w(n)``, ``a = exp(-step / correlation
    time)``, w standard normal, started in its stationary distribution; constant within a step.
    Devices start at their placement. The smallest rectangle along the axes around the placement's
    region reflects them at the same speed. Source: Liang and Haas, INFOCOM 1999.
    """

    kind: Annotated[Literal["gauss_markov"], source("cited, Liang and Haas 1999")] = "gauss_markov"
    sigma_mps: Positive
    """Standard deviation of the velocity, in x and in y, in metres per second."""
    correlation_time_s: Positive
    """Time after which the autocorrelation of the velocity is 1/e, in seconds."""
    mean_velocity_mps: Point = (0.0, 0.0)
    """Mean velocity in x and y between reflections, in metres per second."""
    step_s: Positive = 1.0
    """Duration of a step, in seconds; every step of every device is drawn, so short steps cost."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> PiecewiseLinearMotion:
        start_m = placement.positions(count, streams)
        return PiecewiseLinearMotion(
            _Steps(self, start_m, placement.region().box(), streams=streams), count
        )


@final
class _Steps(LegSequence):
    """Gauss-Markov steps in a plane without walls; ``to_plane`` folds it into the rectangle.

    Folding the legs one by one would require the sign of each velocity after its reflections.
    """

    def __init__(
        self,
        model: GaussMarkov,
        start_m: Float[ndarray, "K 2"],
        box: Rectangle,
        *,
        streams: Streams,
    ) -> None:
        self._model = model
        self._start_m = start_m
        self._box = box
        self._streams = streams

    @override
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        x_m, y_m = self._start_m[device].T
        wx, wy = self._normals(device, np.zeros(len(device), np.int64))
        mean_x, mean_y = self._model.mean_velocity_mps
        sigma = self._model.sigma_mps
        begin_s = np.zeros(len(device))
        end_s = np.full(len(device), self._model.step_s)
        step = np.zeros(len(device), np.int64)
        return Legs(
            step=step,
            x_m=x_m,
            y_m=y_m,
            vx_mps=mean_x + sigma * wx,
            vy_mps=mean_y + sigma * wy,
            depart_s=begin_s,
            arrive_s=end_s,
            until_s=end_s,
        )

    @override
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        model = self._model
        step = legs.step + 1
        # Autoregression of the velocity over one step.
        keep = np.exp(-model.step_s / model.correlation_time_s)
        spread = model.sigma_mps * np.sqrt(-np.expm1(-2 * model.step_s / model.correlation_time_s))
        wx, wy = self._normals(device, step)
        mean_x, mean_y = model.mean_velocity_mps
        vx_mps = mean_x + keep * (legs.vx_mps - mean_x) + spread * wx
        vy_mps = mean_y + keep * (legs.vy_mps - mean_y) + spread * wy
        end_s = (step + 1) * model.step_s
        x_m, y_m = legs.at(legs.until_s)
        return Legs(
            step=step,
            x_m=x_m,
            y_m=y_m,
            vx_mps=vx_mps,
            vy_mps=vy_mps,
            depart_s=legs.until_s,
            arrive_s=end_s,
            until_s=end_s,
        )

    @override
    def to_plane(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        box = self._box
        return _folded(x_m, box.x_m, box.width_m), _folded(y_m, box.y_m, box.height_m)

    def _normals(self, device: Int[ndarray, " n"], step: Int[ndarray, " n"]) -> Xy:
        words = self._streams.first_words("gauss_markov", device, step)
        return normal_pairs(words[0], words[1])


def _folded(value: Float[ndarray, "..."], low: float, length: float) -> Float[ndarray, "..."]:
    """Return the value folded into an interval by reflections at its ends."""
    if not length:
        return np.full_like(value, low)
    beyond = np.mod(value - low, 2 * length)
    return low + np.minimum(beyond, 2 * length - beyond)
