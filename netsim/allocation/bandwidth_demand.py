"""Bandwidth demand of device sets as a function of their common delay, and bounds on the delay.

The terms are those of ``netsim.allocation.common_delay``: the devices of a set end together at the
delay D at which their loads ``sum(bits_k / y_k)`` equal the target ``D B / ln2``. Let ``load``,
``slope`` and ``curvature`` be the sum's value, ``-D`` times its derivative and ``D^2 / 2`` times
its second derivative at a delay D. Then

    load at D (1 + z) = load - slope z / (1 + c z)

with a coefficient c between ``slope / load`` and ``curvature / slope`` for z > 0, and between
``curvature / slope`` and ``D / (D - f)``, f the largest floor, for z < 0. For one device this
holds because y is concave in D (``D = f (exp(y) - 1) / y`` is convex in y), because the Schwarzian
derivative of ``(exp(y) - 1) / y`` is negative, and because ``1 / y`` is concave in ``1 / (D - f)``.
Each side is convex in its c, so Jensen's inequality gives the bounds for sums.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.allocation.spectral_efficiency import (
    efficiency_halley,
    initial_efficiency,
    relative_change,
)

# Limits of the relative change of y in the last step of ``prefix_delays``. The error that a step
# leaves is cubic in the change: below 20 |change|^3, as measured by
# ``pytest tests/netsim/allocation/test_bandwidth_demand.py``.
_LARGEST_CHANGE: Final = 2e-4
"""Change beyond which the result is not certain: 20 * 2e-4^3 = 1.6e-10."""
_SMALL_CHANGE: Final = 6e-5
"""Change below which the error is less than 1e-12, apart from rounding."""
_CLEAR_OF_FLOOR: Final = 1e-3
"""Efficiency y below which a device is too close to its floor for ``efficiency_halley``."""


def load_moments(
    bits: Float[ndarray, "*shape n"],
    log_floor: Float[ndarray, "*shape n"],
    log_delay: float | Float[ndarray, "*shape 1"],
) -> Float[ndarray, "3 *shape n"]:
    """Return the load ``bits / y`` of each device, its slope and its curvature, all in bit.

    ``log_floor`` and ``log_delay`` are the logarithms of capacity floors and delay in seconds. NaN
    if no bandwidth suffices, because the delay does not exceed the floor.
    """
    moments = np.empty((3, *bits.shape))
    load, slope, curvature = moments
    above = log_delay - log_floor
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # Load: L = bits / y.
        y, log_slope = efficiency_halley(np.maximum(above, 0.0, out=above))
        np.divide(bits, y, out=load)
        # Slope: -D dL/dD = L / g.
        inverse = np.divide(1.0, log_slope, out=log_slope)
        np.multiply(load, inverse, out=slope)
        # Curvature: D^2/2 d2L/dD2 = L y (1 + 1/g) / (2 g^2).
        np.multiply(slope, inverse, out=curvature)
        curvature *= y
        inverse += 1.0
        inverse *= 0.5
        curvature *= inverse
    return moments


def solve_rational_bound(
    excess: Float[ndarray, "*#shape"],
    slope: Float[ndarray, "*#shape"],
    coefficient: Float[ndarray, "*shape"],
    target: float | Float[ndarray, "*#shape"],
) -> Float[ndarray, "*shape"]:
    """Return the z at which ``load - slope z / (1 + c z)`` equals ``target (1 + z)``.

    ``excess`` is ``load - target`` in bit, ``coefficient`` the c of the module's text, without
    unit. The z rises with c.
    """
    # The equation is quadratic: c t z^2 + (t + s - c e) z - e = 0.
    product = coefficient * excess
    denominator = target + slope - product
    np.abs(product, out=product)
    # Discriminant as a sum of positive terms, so that nothing cancels.
    square = np.square(target + slope - product)
    product *= np.where(excess > 0, 4.0 * target, 4.0 * slope)
    square += product
    # Root in the form without cancellation: 2 e / (linear term + root of the discriminant).
    denominator += np.sqrt(square, out=square)
    return 2.0 * excess / denominator


def scalar_rational_bound(excess: float, slope: float, coefficient: float) -> float:
    """Return ``solve_rational_bound`` of one set in units of its target, without NumPy calls."""
    product = coefficient * excess
    positive = 1.0 + slope - abs(product)
    square = positive * positive + 4.0 * abs(product) * (1.0 if excess > 0 else slope)
    return 2.0 * excess / (1.0 + slope - product + math.sqrt(square))


def prefix_delays(
    bits: Float[ndarray, " n"],
    floor_s: Float[ndarray, " n"],
    counts: Int[ndarray, " m"],
    *,
    bandwidth_hz: float,
    guess_s: Float[ndarray, " m"],
) -> tuple[Float[ndarray, " m"], Float[ndarray, "m n"], Float[ndarray, " m"]]:
    """Return minimum common delays (s), bandwidths (Hz) and error bounds of many small prefixes.

    Set i holds the first ``counts[i]`` devices. ``guess_s`` is within about ten percent of the
    delays. The last array bounds the relative error of each delay: 0 if that error is below 1e-12,
    2e-10 at most, and NaN if nothing is certain because the guess is too far away or a device is
    too close to its floor. ``common_delay`` solves those sets.
    """
    # One row per set; devices outside a set have no load.
    member = np.arange(len(bits)) < counts[:, None]
    load = np.where(member, bits, 0.0)
    delay_s = guess_s
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_ratio = np.log(np.divide.outer(guess_s, floor_s))
        log_ratio[~member] = 1.0
        # Three steps of Halley's method on all delays; only the last one needs an exact y.
        for efficiency in (initial_efficiency, initial_efficiency, efficiency_halley):
            y, log_slope = efficiency(log_ratio)
            target = bandwidth_hz / math.log(2.0) * delay_s
            change = _halley_changes(load, y, log_slope, target=target)
            delay_s = delay_s * (1.0 + change)
            moved = np.log1p(change)[:, None]
            log_ratio += moved
        # y to second order in the last step; its error is cubic in the step, as that of D.
        changes = relative_change(moved, y, log_slope)
        y *= 1.0 + changes
        # Error bounds of the sets.
        error = np.zeros(len(counts))
        largest = np.maximum.reduce(np.abs(changes), axis=1)
        smallest_y = np.minimum.reduce(y, axis=1)
        if not (largest.max() < _SMALL_CHANGE and smallest_y.min() > _CLEAR_OF_FLOOR):
            error = np.where(largest < _SMALL_CHANGE, 0.0, 20.0 * largest**3)
            # Below a floor the equations have another root, of negative y. Close above a floor y
            # has fewer digits.
            error[~((largest < _LARGEST_CHANGE) & (smallest_y > _CLEAR_OF_FLOOR))] = np.nan
        # Bandwidths in proportion to the loads; the delay follows from their sum.
        share_hz = load / y
        total = np.add.reduce(share_hz, axis=1)
        share_hz *= (bandwidth_hz / total)[:, None]
        return total * (math.log(2.0) / bandwidth_hz), share_hz, error


def _halley_changes(
    load: Float[ndarray, "m n"],
    y: Float[ndarray, "m n"],
    log_slope: Float[ndarray, "m n"],
    *,
    target: Float[ndarray, " m"],
) -> Float[ndarray, " m"]:
    """Return the relative change of each set's delay that brings its loads to its target."""
    # Moments of every device, as in ``load_moments``, with twice the curvature.
    moments = np.empty((3, *y.shape))
    loads, slopes, curvatures = moments
    inverse = 1.0 / log_slope
    np.divide(load, y, out=loads)
    np.multiply(loads, inverse, out=slopes)
    np.multiply(slopes, inverse, out=curvatures)
    curvatures *= y
    inverse += 1.0
    curvatures *= inverse
    # Halley's step on the sums: of the same order as ``solve_rational_bound`` and cheaper, but
    # less safe from far away.
    excess, slope, curvature = np.add.reduce(moments, axis=2)
    excess -= target
    slope += target
    change: Float[ndarray, " m"] = excess * slope / (slope * slope - 0.5 * curvature * excess)
    return change
