"""Least common delays of the sets of the first N devices of an order: bounds for all N at once, then the value."""

from functools import cached_property
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim import phy
from netsim.scheduling.base import Allocation, RoundState
from netsim.scheduling.objective import Objective

_EPSILON: Final = float(np.finfo(float).eps)
_NARROW: Final = 1e-9
# Where to look between a lower and an upper bound: the closed forms are closer from below.
_PARTS: Final = (0.05, 0.1, 0.17, 0.27, 0.4)
_PARTS_OF_MANY: Final = (0.2,)
_SMALL: Final = 300


@final
class Prefixes:
    """The sets of the first 0, 1, ... n devices of an order, and what is known of their least common delays D_N.

    ``order`` holds positions in the state, at least one; a device without gain could never deliver and must not be
    in it. ``bounds_s[0, N] <= D_N <= bounds_s[1, N]`` holds at any time, in seconds; ``narrow`` brings them closer.

    The first bounds are closed forms: below, the slowest device alone in the whole band, and all received power in
    one band; above, bandwidths in proportion to the bits.
    """

    def __init__(self, state: RoundState, order: Int[ndarray, " n"]) -> None:
        self.state = state
        self.order = order
        self.iterations = 0
        self.bits = state.bits[order]
        self.snr = (state.tx_power_w * state.gain)[order] / (state.noise_psd * state.bandwidth_hz)
        together = self.bits.cumsum()
        alone = np.maximum.accumulate(self.bits / np.log1p(self.snr))
        scarcest = np.minimum.accumulate(self.snr / self.bits)
        unit = phy.LN2 / state.bandwidth_hz
        # Rounding of a sum of N terms must not cut off the truth.
        self.slack = _EPSILON * (64 + len(order))
        self.bounds_s = np.zeros((2, len(order) + 1))
        lower_s, upper_s = self.bounds_s[:, 1:]
        np.maximum(alone, together / np.log1p(self.snr.cumsum()), out=lower_s)
        lower_s *= unit * (1.0 - self.slack)
        np.divide(together, np.log1p(together * scarcest), out=upper_s)
        upper_s *= unit * (1.0 + self.slack)

    @cached_property
    def floor_s(self) -> Float[ndarray, " n"]:
        """Capacity floor of each device in order, in seconds."""
        return self.bits / self.snr * (phy.LN2 / self.state.bandwidth_hz)

    @cached_property
    def log_floor(self) -> Float[ndarray, " n"]:
        """Logarithm of the capacity floor in seconds."""
        return np.log(self.floor_s)

    def objective_bounds(
        self, objective: Objective, first: int, last: int
    ) -> tuple[Float[ndarray, " sets"], Float[ndarray, " sets"]]:
        """Return bounds of J, lower and upper, of the prefixes of ``first`` to ``last`` devices."""
        high, low = objective.value(
            np.arange(first, last + 1), self.bounds_s[:, first : last + 1], self.state
        )
        return low, high

    def narrow(self, counts: Int[ndarray, " some"], first: int, last: int) -> None:
        """Narrow the bounds of the prefixes of ``first`` to ``last`` devices, most of all those of ``counts``."""
        lower_s, upper_s = self.bounds_s[:, counts[counts > 0]]
        apart_s = upper_s - lower_s
        if (apart_s > _NARROW * upper_s).any():
            parts = _PARTS if last <= _SMALL else _PARTS_OF_MANY
            self._probe(max(first, 1), last, np.concatenate([lower_s + part * apart_s for part in parts]))
        else:
            for count in counts[counts > 0]:
                self.solve(int(count))

    def _probe(self, first: int, last: int, delay_s: Float[ndarray, " m"]) -> None:
        """Narrow the bounds of the prefixes of ``first`` to ``last`` devices with their demands at some delays.

        A prefix's demand C falls with D, its slope rises and its curvature falls (see ``phy``). So where
        C(D) <= B the parabola at D lies below C towards smaller delays and reaches B too late: a lower bound
        of D_N. Where C(D) > B the parabola lies above and the tangent below: an upper and a lower bound.
        """
        moments = phy.demand_moments(self.bits[:last], self.log_floor[:last], delay_s)
        demand, fall, bend = moments.cumsum(axis=2)[:, :, first - 1 :]
        # NaN stands where a floor is not exceeded and where a parabola ends above B; fmax and fmin pass it over.
        with np.errstate(invalid="ignore"):
            spare = self.state.bandwidth_hz - demand
            crossing = 2.0 * spare / (fall + np.sqrt(fall * fall + 2.0 * bend * spare))
            early = np.where(spare < 0, spare / fall, crossing)
            late = np.minimum(crossing, 0.0)
            at_s = delay_s[:, None]
            lower_s = np.fmax.reduce(at_s - at_s * early) * (1.0 - self.slack)
            upper_s = np.fmin.reduce(at_s - at_s * late) * (1.0 + self.slack)
            bounds_s = self.bounds_s[:, first : last + 1]
            np.fmax(bounds_s[0], lower_s, out=bounds_s[0])
            np.fmin(bounds_s[1], upper_s, out=bounds_s[1])
        self.iterations += 1

    def solve(self, count: int) -> Allocation:
        """Return the allocation to the first ``count`` devices with their least common delay."""
        lower_s, upper_s = self.bounds_s[:, count].tolist()
        delay_s, share_hz, steps = phy.common_delay(
            self.bits[:count],
            self.floor_s[:count],
            self.state.bandwidth_hz,
            lower_s + _PARTS[1] * (upper_s - lower_s),
        )
        self.bounds_s[:, count] = delay_s
        self.iterations += steps
        return Allocation.of(self.state, self.order[:count], share_hz, delay_s)


def reachable_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices with a positive gain, strongest first."""
    order = state.by_gain()
    return order[: np.count_nonzero(state.gain > 0)]
