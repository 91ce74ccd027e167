"""Minimum common delay of the N highest-ranked devices, for every N: bounds, then exact values."""

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
_TIGHT: Final = 1e-9
"""Relative distance of two bounds that count as met."""
_TOGETHER: Final = 512
"""Maximum number of entries of a matrix of sets and devices that are solved together."""
_GUESS: Final = 0.2
"""Position of a guess between a lower and an upper bound. The lower closed form is the closer one;
the value affects the number of iterations only.
"""
_BLOCK: Final = 8192
"""Devices per block: the arrays of a block stay in the cache of a core."""
# Range around a delay in which the bounds from there are used: as a relative change of the delay,
# and as a product of that change and the coefficient. Outside, the solution cancels.
_EARLIEST: Final = -0.5
_LATEST: Final = 8.0


@final
class Prefixes:
    """Bounds of the minimum common delays D_N of the first N devices of an order, for every N.

    ``order`` holds positions in the state, at least one; it contains no device without gain, which
    could never deliver. ``bounds_s[0, N] <= D_N <= bounds_s[1, N]`` holds at any time, in seconds.
    ``refine_at`` narrows the bounds.

    The first bounds are closed forms. Below: the slowest device alone in the whole band, and all
    received power in one band. Above: bandwidths in proportion to the bits.
    """

    def __init__(self, state: RoundState, order: Int[ndarray, " n"]) -> None:
        self.state = state
        self.order = order
        self.iterations = 0
        self.counts = np.arange(len(order) + 1)
        self._solved: dict[int, Float[ndarray, " N"]] = {}
        self.bits = state.bits[order]
        self._unit = shannon.LN2 / state.bandwidth_hz
        # SNR and delay of each device alone in the whole band.
        snr = (state.tx_power_w * state.gain)[order]
        snr /= state.noise_psd * state.bandwidth_hz
        self.floor_s = self.bits / snr
        """Capacity floor of each device in order, in seconds."""
        self.floor_s *= self._unit
        alone = np.log1p(snr)
        np.divide(self.bits, alone, out=alone)
        # Rounding of a sum of N terms must not exclude the true value; loads are summed by block.
        slack = _EPSILON * (64 + len(order))
        self.slack = min(slack, _EPSILON * (64 + _BLOCK + len(order) / _BLOCK))
        self.bounds_s = np.zeros((2, len(order) + 1))
        lower_s, upper_s = self.bounds_s[:, 1:]
        # Lower bound: all received power in one band, and the slowest device alone.
        together = self.bits.cumsum()
        received = snr.cumsum(out=snr)
        np.log1p(received, out=received)
        np.divide(together, received, out=lower_s)
        np.maximum(_running_max(alone), lower_s, out=lower_s)
        lower_s *= self._unit * (1.0 - slack)
        # Upper bound: bandwidths in proportion to the bits, every floor as large as the largest.
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
        """Logarithm of the largest floor in seconds of each prefix, from the first device on."""
        return _running_max(self.log_floor)

    def guess_s(self, counts: Int[ndarray, " m"] | int) -> Float[ndarray, "*m"]:
        """Return delays between the bounds of some prefixes, in seconds."""
        lower_s, upper_s = self.bounds_s[:, counts]
        return np.asarray(lower_s + _GUESS * (upper_s - lower_s))

    def objective_bounds(
        self, objective: Objective, first: int, last: int
    ) -> tuple[Float[ndarray, " sets"], Float[ndarray, " sets"]]:
        """Return lower and upper bounds of J of the prefixes of ``first`` to ``last`` devices."""
        counts = self.counts[first : last + 1]
        high, low = objective.value(counts, self.bounds_s[:, first : last + 1], self.state)
        return low, high

    def is_tight(self, counts: Int[ndarray, " m"]) -> Bool[ndarray, " m"]:
        """Return whether the bounds of each prefix have met, up to a relative 1e-9."""
        lower_s, upper_s = self.bounds_s[:, counts]
        return np.asarray(upper_s - lower_s <= _TIGHT * upper_s)

    @staticmethod
    def solvable_together(counts: Int[ndarray, " m"]) -> bool:
        """Return whether ascending prefixes are few and small enough to be solved at once."""
        return len(counts) * int(counts[-1]) <= _TOGETHER

    def solve_together(self, counts: Int[ndarray, " m"]) -> None:
        """Solve prefixes in ascending order at once; some keep bounds close to their value."""
        if counts[0] == 0:
            counts = counts[1:]
        largest = int(counts[-1])
        delay_s, share_hz, error = bandwidth_demand.prefix_delays(
            self.bits[:largest],
            self.floor_s[:largest],
            counts,
            bandwidth_hz=self.state.bandwidth_hz,
            guess_s=self.guess_s(counts),
        )
        self.iterations += 3
        if not error.any():
            self.bounds_s[:, counts] = delay_s
            self._solved.update(zip(counts.tolist(), share_hz, strict=True))
            return
        # Exact results, results with an error bound, and uncertain ones that are solved singly.
        exact, near = error == 0.0, error > 0.0
        self._solved.update(zip(counts[exact].tolist(), share_hz[exact], strict=True))
        self.bounds_s[:, counts[exact]] = delay_s[exact]
        self.bounds_s[:, counts[near]] = delay_s[near] * np.array(
            [1.0 - error[near], 1.0 + error[near]]
        )
        for count in counts[np.isnan(error)].tolist():
            self.solve(count)

    def refine_at(self, delay_s: float, first: int, last: int) -> None:
        """Narrow the bounds of prefixes of ``first`` to ``last`` devices by loads at a delay."""
        below = max(first, 1) - 1
        total = np.zeros((3, 1))
        # Blocks stay in the cache. The devices below the first prefix contribute their sum only.
        for start in range(0, last, _BLOCK):
            end = min(start + _BLOCK, last)
            moments = bandwidth_demand.load_moments(
                self.bits[start:end], self.log_floor[start:end], math.log(delay_s)
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

    def _tighten(self, delay_s: float, moments: Float[ndarray, "3 sets"], sets: slice) -> None:
        """Narrow the bounds of prefixes by their ``bandwidth_demand.load_moments`` at a delay.

        If a load exceeds what the band carries, D_N is later than the delay, otherwise it is not.
        ``netsim.allocation.bandwidth_demand`` bounds the distance from both sides. ``sets`` counts
        from the prefix of one device.
        """
        steepness = np.expm1(self._worst_log_floor[sets] - math.log(delay_s))
        tighten(
            self.bounds_s[:, 1:][:, sets],
            moments,
            steepness,
            delay_s=delay_s,
            unit=self._unit,
            slack=self.slack,
        )

    def solve(self, count: int) -> Allocation:
        """Return the allocation of minimum common delay to the first ``count`` devices."""
        if count == 0:
            return Allocation.empty()
        if count not in self._solved:
            guess_s = float(self.guess_s(count))
            delay_s, self._solved[count], steps = common_delay.common_delay(
                self.bits[:count],
                self.floor_s[:count],
                self.state.bandwidth_hz,
                guess_s=guess_s,
            )
            self.bounds_s[:, count] = delay_s
            self.iterations += steps
        return Allocation.of(
            self.state,
            self.order[:count],
            bandwidth_hz=self._solved[count][:count],
            delay_s=float(self.bounds_s[0, count]),
        )


def tighten(
    bounds_s: Float[ndarray, "2 *sets"],
    moments: Float[ndarray, "3 *sets"],
    steepness: Float[ndarray, "*sets"],
    *,
    delay_s: float | Float[ndarray, "*#sets"],
    unit: float,
    slack: float,
) -> None:
    """Narrow bounds of the minimum common delays of sets by their moments at a delay.

    ``steepness`` is ``f / D - 1`` for the largest floor f of each set, ``unit`` is ``ln2 / B`` in
    1/Hz, and ``slack`` the relative room for rounding.
    """
    load, slope, curvature = moments
    lower_s, upper_s = bounds_s
    target = delay_s / unit
    # A prefix with a floor above the delay has NaN moments; fmax and fmin ignore NaN.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        excess = load - target
        late = excess > 0
        # Coefficients of the lower and the upper bound: slope / load and curvature / slope for
        # late prefixes, curvature / slope and D / (D - f) for the others.
        coefficients = np.empty((2, *load.shape))
        low, high = coefficients
        low[...] = high[...] = curvature / slope
        np.divide(slope, load, out=low, where=late)
        np.divide(-1.0, steepness, out=high, where=~late)
        # Relative distances of D_N from the delay, lower and upper.
        change = bandwidth_demand.solve_rational_bound(excess, slope, coefficients, target=target)
        lower, upper = change
        # Far from the delay the digits of the solution cancel: use the limits instead.
        np.minimum(lower, _LATEST / low, out=lower)
        np.copyto(lower, -1.0, where=lower < _EARLIEST)
        np.copyto(upper, np.inf, where=high * upper > _LATEST)
        np.maximum(upper, _EARLIEST, out=upper)
        # Delays, with room for rounding; keep the better of old and new bounds.
        change += 1.0
        change *= delay_s
        lower *= 1.0 - slack
        upper *= 1.0 + slack
        np.fmax(lower_s, lower, out=lower_s)
        np.fmin(upper_s, upper, out=upper_s)


def rank_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices with a positive gain, strongest first."""
    order = state.rank_by_gain()
    return order[: np.count_nonzero(state.gain > 0)]


def _running_max(values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return the running maximum; ``values`` themselves if they ascend."""
    return values if (values[1:] >= values[:-1]).all() else np.maximum.accumulate(values)
