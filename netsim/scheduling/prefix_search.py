"""Least common delays of the sets of the first N devices of an order: bounds for all N at once,
then the value.
"""

import math
from functools import cached_property
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.allocation import bandwidth_demand, common_delay
from netsim.link import shannon
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.objective import Objective
from netsim.scheduling.round_state import RoundState

_EPSILON: Final = float(np.finfo(float).eps)
_NARROW: Final = 1e-9
_SMALL: Final = 512
# Where to look between a lower and an upper bound: the closed forms are closer from below.
_PART: Final = 0.2
_BLOCK: Final = 8192
# How far from a delay the bounds from there are used: in parts of it, and in those over the
# steepness.
_EARLY: Final = -0.5
_LATE: Final = 8.0


@final
class Prefixes:
    """The sets of the first 0, 1, ... n devices of an order, and what is known of their least
    common delays D_N.

    ``order`` holds positions in the state, at least one; a device without gain could never deliver
    and must not be in it. ``bounds_s[0, N] <= D_N <= bounds_s[1, N]`` holds at any time, in
    seconds; ``probe`` brings them closer.

    The first bounds are closed forms: below, the slowest device alone in the whole band, and all
    received power in one band; above, bandwidths in proportion to the bits.
    """

    def __init__(self, state: RoundState, order: Int[ndarray, " n"]) -> None:
        self.state = state
        self.order = order
        self.iterations = 0
        self.counts = np.arange(len(order) + 1)
        self._solved: dict[int, Float[ndarray, " N"]] = {}
        self.bits = state.bits[order]
        self._unit = shannon.LN2 / state.bandwidth_hz
        snr = (state.tx_power_w * state.gain)[order]
        snr /= state.noise_psd * state.bandwidth_hz
        self.floor_s = self.bits / snr
        """Capacity floor of each device in order, in seconds."""
        self.floor_s *= self._unit
        alone = np.log1p(snr)
        np.divide(self.bits, alone, out=alone)
        # Rounding of a sum of N terms must not cut off the truth; loads are summed block by block.
        slack = _EPSILON * (64 + len(order))
        self.slack = min(slack, _EPSILON * (64 + _BLOCK + len(order) / _BLOCK))
        self.bounds_s = np.zeros((2, len(order) + 1))
        lower_s, upper_s = self.bounds_s[:, 1:]
        together, received = self.bits.cumsum(), snr.cumsum(out=snr)
        np.log1p(received, out=received)
        np.divide(together, received, out=lower_s)
        np.maximum(_running_max(alone), lower_s, out=lower_s)
        lower_s *= self._unit * (1.0 - slack)
        together *= self._unit
        np.divide(together, _running_max(self.floor_s), out=upper_s)
        np.log1p(upper_s, out=upper_s)
        np.divide(together, upper_s, out=upper_s)
        upper_s *= 1.0 + slack

    @cached_property
    def log_floor(self) -> Float[ndarray, " n"]:
        """Logarithm of the capacity floor in seconds."""
        return np.log(self.floor_s)

    @cached_property
    def _worst_log_floor(self) -> Float[ndarray, " n"]:
        """Logarithm of the largest floor in seconds, of each prefix but the empty one."""
        return _running_max(self.log_floor)

    def guess_s(self, counts: Int[ndarray, " some"] | int) -> Float[ndarray, "*some"]:
        """Return delays between the bounds of some prefixes, in seconds."""
        lower_s, upper_s = self.bounds_s[:, counts]
        return np.asarray(lower_s + _PART * (upper_s - lower_s))

    def objective_bounds(
        self, objective: Objective, first: int, last: int
    ) -> tuple[Float[ndarray, " sets"], Float[ndarray, " sets"]]:
        """Return bounds of J, lower and upper, of the prefixes of ``first`` to ``last`` devices."""
        counts = self.counts[first : last + 1]
        high, low = objective.value(counts, self.bounds_s[:, first : last + 1], self.state)
        return low, high

    def known(self, counts: Int[ndarray, " some"]) -> Bool[ndarray, " some"]:
        """Return of which prefixes the bounds have met, up to a relative 1e-9."""
        lower_s, upper_s = self.bounds_s[:, counts]
        return np.asarray(upper_s - lower_s <= _NARROW * upper_s)

    @staticmethod
    def few(counts: Int[ndarray, " some"]) -> bool:
        """Return whether some prefixes, in ascending order, are few and small enough to be solved
        together.
        """
        return len(counts) * int(counts[-1]) <= _SMALL

    def settle(self, counts: Int[ndarray, " some"]) -> None:
        """Solve some prefixes together, or nearly so; ``counts`` ascend."""
        if counts[0] == 0:
            counts = counts[1:]
        most = int(counts[-1])
        delay_s, share_hz, error = bandwidth_demand.prefix_delays(
            self.bits[:most],
            self.floor_s[:most],
            counts,
            self.state.bandwidth_hz,
            self.guess_s(counts),
        )
        self.iterations += 3
        if not error.any():
            self.bounds_s[:, counts] = delay_s
            self._solved.update(zip(counts.tolist(), share_hz, strict=True))
            return
        exact, near = error == 0.0, error > 0.0
        self._solved.update(zip(counts[exact].tolist(), share_hz[exact], strict=True))
        self.bounds_s[:, counts[exact]] = delay_s[exact]
        self.bounds_s[:, counts[near]] = delay_s[near] * np.array(
            [1.0 - error[near], 1.0 + error[near]]
        )
        for count in counts[np.isnan(error)].tolist():
            self.solve(count)

    def probe(self, delay_s: float, first: int, last: int) -> None:
        """Narrow the bounds of the prefixes of ``first`` to ``last`` devices with their loads at a
        delay.
        """
        below = max(first, 1) - 1
        total = np.zeros((3, 1))
        # In blocks that stay in the cache, and of those below the first prefix nothing but the sum.
        for start in range(0, last, _BLOCK):
            end = min(start + _BLOCK, last)
            moments = bandwidth_demand.load_moments(
                self.bits[start:end], self.log_floor[start:end], delay_s
            )
            skipped = min(max(below - start, 0), end - start)
            if skipped:
                total = total + moments[:, :skipped].sum(axis=1, keepdims=True)
            if skipped < end - start:
                sums = moments[:, skipped:].cumsum(axis=1)
                sums += total
                total = sums[:, -1:]
                self._tighten(delay_s, sums, slice(start + skipped, end))
        self.iterations += 1

    def _tighten(self, delay_s: float, moments: Float[ndarray, "3 sets"], of: slice) -> None:
        """Narrow the bounds of some prefixes whose ``bandwidth_demand.load_moments`` at a delay are
        known.

        Where a load exceeds what the band carries, D_N is later than the delay, otherwise not:
        ``netsim.allocation.bandwidth_demand`` says how far at least and at most. ``of`` counts from
        the prefix of one device.
        """
        load, fall, curve = moments
        lower_s, upper_s = self.bounds_s[:, 1:][:, of]
        target = delay_s / self._unit
        # NaN stands where a floor is not exceeded; fmax and fmin pass it over.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            excess = load - target
            late = excess > 0
            steep = np.expm1(self._worst_log_floor[of] - math.log(delay_s))
            bends = np.empty((2, len(load)))
            low, high = bends
            low[:] = high[:] = curve / fall
            np.divide(fall, load, out=low, where=late)
            np.divide(-1.0, steep, out=high, where=~late)
            change = bandwidth_demand.crossing(excess, fall, bends, target)
            least, most = change
            # Far from the delay the digits of a crossing cancel.
            np.minimum(least, _LATE / low, out=least)
            np.copyto(least, -1.0, where=least < _EARLY)
            np.copyto(most, np.inf, where=high * most > _LATE)
            np.maximum(most, _EARLY, out=most)
            change += 1.0
            change *= delay_s
            least *= 1.0 - self.slack
            most *= 1.0 + self.slack
            np.fmax(lower_s, least, out=lower_s)
            np.fmin(upper_s, most, out=upper_s)

    def solve(self, count: int) -> Allocation:
        """Return the allocation to the first ``count`` devices with their least common delay."""
        if count == 0:
            return Allocation.empty()
        if count not in self._solved:
            guess_s = float(self.guess_s(count))
            delay_s, self._solved[count], steps = common_delay.common_delay(
                self.bits[:count], self.floor_s[:count], self.state.bandwidth_hz, guess_s
            )
            self.bounds_s[:, count] = delay_s
            self.iterations += steps
        return Allocation.of(
            self.state,
            self.order[:count],
            self._solved[count][:count],
            float(self.bounds_s[0, count]),
        )


def rank_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices with a positive gain, strongest first."""
    order = state.rank_by_gain()
    return order[: np.count_nonzero(state.gain > 0)]


def _running_max(values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return the largest of each value and those in front of it; ``values`` themselves where they
    ascend.
    """
    return values if (values[1:] >= values[:-1]).all() else np.maximum.accumulate(values)
