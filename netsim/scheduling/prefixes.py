"""Least common delays of the sets of the first N devices of an order: bounds for all N at once, then the value."""

from functools import cached_property
from itertools import pairwise
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim import demand, phy
from netsim.scheduling.base import Allocation, RoundState
from netsim.scheduling.objective import Objective

_EPSILON: Final = float(np.finfo(float).eps)
_NARROW: Final = 1e-9
# Where to look between a lower and an upper bound: the closed forms are closer from below.
_PART: Final = 0.2
_SMALL: Final = 512
_BLOCK: Final = 4096


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
        self.counts = np.arange(len(order) + 1)
        self._solved: dict[int, Float[ndarray, " N"]] = {}
        self.bits = state.bits[order]
        self.snr = (state.tx_power_w * state.gain)[order] / (state.noise_psd * state.bandwidth_hz)
        together = self.bits.cumsum()
        alone = np.maximum.accumulate(self.bits / np.log1p(self.snr))
        scarcest = np.minimum.accumulate(self.snr / self.bits)
        unit = phy.LN2 / state.bandwidth_hz
        # Rounding of a sum of N terms must not cut off the truth; demands are summed block by block.
        slack = _EPSILON * (64 + len(order))
        self.slack = min(slack, _EPSILON * (64 + _BLOCK + len(order) / _BLOCK))
        self.bounds_s = np.zeros((2, len(order) + 1))
        lower_s, upper_s = self.bounds_s[:, 1:]
        np.maximum(alone, together / np.log1p(self.snr.cumsum()), out=lower_s)
        lower_s *= unit * (1.0 - slack)
        np.divide(together, np.log1p(together * scarcest), out=upper_s)
        upper_s *= unit * (1.0 + slack)

    @cached_property
    def guess_s(self) -> Float[ndarray, " sets"]:
        """Estimates of the least common delays, in seconds; not always between the bounds."""
        lower_s, upper_s = self.bounds_s
        return lower_s + _PART * (upper_s - lower_s)

    @cached_property
    def _far(self) -> Float[ndarray, " sets"]:
        """How far each guess is from the delay that it comes from, as a part of that."""
        return np.ones(len(self.counts))

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
        counts = self.counts[first : last + 1]
        high, low = objective.value(counts, self.bounds_s[:, first : last + 1], self.state)
        return low, high

    def narrow(self, counts: Int[ndarray, " some"], first: int, last: int) -> None:
        """Narrow the bounds of the prefixes of ``first`` to ``last`` devices, most of all those of ``counts``.

        ``counts`` ascend and hold one that is not 0.
        """
        if counts[0] == 0:
            counts = counts[1:]
        lower_s, upper_s = self.bounds_s[:, counts]
        if len(counts) * last <= _SMALL:
            self._settle(counts, lower_s + _PART * (upper_s - lower_s))
        elif (upper_s - lower_s > _NARROW * upper_s).any():
            self.probe(np.clip(self.guess_s[counts], lower_s, upper_s), first, last)
        else:
            for count in counts.tolist():
                self.solve(count)

    def _settle(self, counts: Int[ndarray, " some"], guess_s: Float[ndarray, " some"]) -> None:
        """Solve some prefixes together."""
        most = int(counts[-1])
        delay_s, share_hz = demand.prefix_delays(
            self.bits[:most], self.floor_s[:most], counts, self.state.bandwidth_hz, guess_s
        )
        self.iterations += 3
        exact = delay_s > 0
        if exact.all():
            self.bounds_s[:, counts] = delay_s
            self._solved.update(zip(counts.tolist(), share_hz, strict=True))
            return
        self.bounds_s[:, counts[exact]] = delay_s[exact]
        self._solved.update(zip(counts[exact].tolist(), share_hz[exact], strict=True))
        for count in counts[~exact].tolist():
            self.solve(count)

    def probe(self, delay_s: Float[ndarray, " m"], first: int, last: int) -> None:
        """Narrow the bounds of the prefixes of ``first`` to ``last`` devices with their demands at some delays.

        A prefix's demand C falls with D, its slope rises and its curvature falls (see ``netsim.demand``). So where
        C(D) <= B the parabola at D lies below C towards smaller delays and reaches B too late: a lower bound
        of D_N. Where C(D) > B the parabola lies above and the tangent below: an upper and a lower bound.
        """
        first = max(first, 1)
        needed, fall, bend = self._moments(delay_s, first, last)
        lower_s, upper_s = self.bounds_s[:, first : last + 1]
        at_s = delay_s[:, None]
        # NaN stands where a floor is not exceeded and where a parabola ends above B; fmax and fmin pass it over.
        with np.errstate(invalid="ignore"):
            spare = self.state.bandwidth_hz - needed
            square, curve = fall * fall, bend * spare
            crossing = 2.0 * spare / (fall + np.sqrt(square + 2.0 * curve))
            early = np.where(spare < 0, spare / fall, crossing)
            late = np.minimum(crossing, 0.0)
            least_s = np.fmax.reduce(at_s - at_s * early) * (1.0 - self.slack)
            most_s = np.fmin.reduce(at_s - at_s * late) * (1.0 + self.slack)
            np.fmax(lower_s, least_s, out=lower_s)
            np.fmin(upper_s, most_s, out=upper_s)
            # Halley's step, exact for a hyperbola, which the demand of a device near its floor is.
            step = 2.0 * spare * fall / (2.0 * square + curve)
        self._guess(first, delay_s, step)
        self.iterations += 1

    def _guess(self, first: int, delay_s: Float[ndarray, " m"], step: Float[ndarray, "m sets"]) -> None:
        """Keep what the nearest delay says of the prefixes from ``first`` on, where none was nearer before."""
        of = slice(first, first + step.shape[1])
        far = np.abs(step)
        np.copyto(far, np.inf, where=np.isnan(far))
        row, column = far.argmin(axis=0), np.arange(step.shape[1])
        far = far[row, column]
        nearer = far < self._far[of]
        np.copyto(self._far[of], far, where=nearer)
        np.copyto(self.guess_s[of], delay_s[row] * (1.0 - step[row, column]), where=nearer)

    def _moments(self, delay_s: Float[ndarray, " m"], first: int, last: int) -> Float[ndarray, "3 m sets"]:
        """Return the ``demand.demand_moments`` of the prefixes of ``first`` to ``last`` devices."""
        below = first - 1
        if last <= _BLOCK:
            moments = demand.demand_moments(self.bits[:last], self.log_floor[:last], delay_s)
            sums = moments[:, :, below:]
            if below:
                sums[:, :, 0] += moments[:, :, :below].sum(axis=2)
            return sums.cumsum(axis=2)
        # In blocks that stay in the cache, and of those below ``first`` nothing but the sum.
        edges = [*range(0, below, _BLOCK), *range(below, last, _BLOCK), last]
        total, sums = np.zeros((3, len(delay_s), 1)), np.empty((3, len(delay_s), last - below))
        for start, end in pairwise(edges):
            moments = demand.demand_moments(self.bits[start:end], self.log_floor[start:end], delay_s)
            if start >= below:
                block = sums[:, :, start - below : end - below]
                np.add(moments.cumsum(axis=2, out=moments), total, out=block)
                total = block[:, :, -1:]
            else:
                total = total + moments.sum(axis=2, keepdims=True)
        return sums

    def solve(self, count: int) -> Allocation:
        """Return the allocation to the first ``count`` devices with their least common delay."""
        lower_s, upper_s = self.bounds_s[:, count].tolist()
        if count not in self._solved:
            lower_s, self._solved[count], steps = phy.common_delay(
                self.bits[:count],
                self.floor_s[:count],
                self.state.bandwidth_hz,
                min(max(float(self.guess_s[count]), lower_s), upper_s),
            )
            self.bounds_s[:, count] = lower_s
            self.iterations += steps
        return Allocation.of(self.state, self.order[:count], self._solved[count][:count], lower_s)


def reachable_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices with a positive gain, strongest first."""
    order = state.by_gain()
    return order[: np.count_nonzero(state.gain > 0)]
