"""Minimum common delays of many device sets at once: ``common_delay`` for the rows of a matrix.

The iteration is that of ``netsim.allocation.common_delay``, with one row per set. It costs as many
NumPy calls as a single set, so that it pays for many small ones.
"""

from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.allocation.bandwidth_demand import solve_rational_bound
from netsim.allocation.spectral_efficiency import (
    efficiency_halley,
    initial_efficiency,
    log_delay_ratio,
    relative_change,
)
from netsim.link.shannon import LN2

_MAX_STEPS: Final = 100
_LAST_CHANGE: Final = 4e-6
"""Relative change of y after which a step leaves less than rounding; see ``common_delay``."""
_SMALL_CHANGE: Final = 1e-2
"""Relative change of y below which its expansion to second order serves as the next iterate."""


def common_delays(
    load: Float[ndarray, "S n"],
    floor_s: Float[ndarray, "S n"],
    bandwidth_hz: float,
    guess_s: Float[ndarray, " S"],
) -> tuple[Float[ndarray, " S"], Float[ndarray, "S n"]]:
    """Return the minimum common delay of each set in seconds, and the bandwidths in Hz.

    Row i is a set: ``load`` has the bits of its devices, at least one, and 0 for all others, whose
    floors do not matter. ``guess_s`` starts the iteration.
    """
    row = np.arange(len(load))
    member = load > 0
    floor_s = np.where(member, floor_s, 0.0)
    weakest = floor_s.argmax(axis=1)
    worst_s = floor_s[row, weakest]
    floor_s = np.where(member, floor_s, worst_s[:, None])
    apart = np.log1p((worst_s[:, None] - floor_s) / floor_s)
    band = bandwidth_hz / LN2 * worst_s
    # Bracket of y of the weakest device, which has the whole band at most.
    lowest_y = np.log1p(load[row, weakest] / band)
    highest_y = np.full(len(load), np.inf)
    worst_y = np.maximum(
        initial_efficiency(np.log(np.maximum(guess_s / worst_s, 1.0)))[0], lowest_y
    )
    for _ in range(_MAX_STEPS):
        above = log_delay_ratio(worst_y)
        y, log_slope = efficiency_halley(above[:, None] + apart, near_floor=True)
        y[row, weakest] = worst_y
        # Moments of the sets, as in ``bandwidth_demand.load_moments``.
        loads = load / y
        inverse = 1.0 / log_slope
        slopes = loads * inverse
        curvatures = slopes * y
        curvatures *= inverse
        inverse += 1.0
        curvatures *= inverse
        target = band * np.exp(above)
        slope = slopes.sum(axis=1)
        change = solve_rational_bound(
            loads.sum(axis=1) / target - 1.0,
            slope / target,
            0.5 * curvatures.sum(axis=1) / slope,
            target=1.0,
        )
        step = np.log1p(np.maximum(change, -1.0 + 1e-16))
        worst_slope = log_slope[row, weakest]
        change_y = np.abs(step) / worst_slope
        if (change_y < _LAST_CHANGE).all():
            y *= 1.0 + relative_change(step[:, None], y, log_slope)
            share_hz = np.divide(load, y, out=y)
            total = share_hz.sum(axis=1)
            share_hz *= (bandwidth_hz / total)[:, None]
            return total * (LN2 / bandwidth_hz), share_hz
        lowest_y = np.where(step > 0, worst_y, lowest_y)
        highest_y = np.where(step > 0, highest_y, worst_y)
        near = worst_y * (1.0 + relative_change(step, worst_y, worst_slope))
        far = initial_efficiency(np.maximum(above + step, 0.0))[0]
        worst_y = np.where(change_y < _SMALL_CHANGE, near, far)
        outside = ~((lowest_y <= worst_y) & (worst_y <= highest_y))
        if outside.any():
            worst_y[outside] = np.sqrt(lowest_y * highest_y)[outside]
    raise ArithmeticError(f"no common delay found in {_MAX_STEPS} steps")
