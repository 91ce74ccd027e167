"""Spectral efficiency of a device as a function of its delay over its capacity floor.

``netsim.allocation.common_delay`` derives ``ln(D / f) = ln((exp(y) - 1) / y)``: D the delay, f the
capacity floor, y the spectral efficiency in nat. This module has that function, its inverse and its
slope, each to a few units in the last place. The code makes few NumPy calls, because at twenty
devices these calls are the cost of scheduling.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_SERIES: Final = (1 / 24, -1 / 2880, 1 / 181440, -1 / 9676800)
"""Taylor coefficients of ``ln(sinh(y/2) / (y/2))`` in ``y**2``: ``B_2n / (2n (2n)!)``, B_2n the
Bernoulli numbers.
"""
_SERIES_END: Final = 0.1
"""Efficiency below which the series is used. The first term left out, 1 / 479001600 * y**10, is
less than 1e-18 there.
"""
_CANCELS: Final = 1e-4
"""Efficiency below which the direct form has lost four digits or more to cancellation."""


def log_delay_ratio(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``ln((exp(y) - 1) / y)`` to a few units in the last place, for any ``y > 0``."""
    # Direct form, which does not overflow: y + ln((1 - exp(-y)) / y).
    minus = -y
    decay = np.expm1(minus)
    decay /= minus
    direct = np.log(decay)
    direct += y
    small = y < _SERIES_END
    if not small.any():
        return direct
    # Near 0 the two terms cancel. Few devices of many are there.
    direct = np.asarray(direct)
    direct[small] = _series(y[small])
    return direct


def _series(y: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return ``log_delay_ratio`` near 0: ``y / 2 + ln(sinh(y/2) / (y/2))``."""
    square = y * y
    series = _SERIES[-1] * square
    for coefficient in _SERIES[-2::-1]:
        series += coefficient
        series *= square
    return series + y / 2


def scalar_log_delay_ratio(y: float) -> float:
    """Return ``log_delay_ratio`` of one number, without the cost of a NumPy call."""
    if y >= _SERIES_END:
        return y + math.log(-math.expm1(-y) / y)
    series = 0.0
    for coefficient in reversed(_SERIES):
        series = (series + coefficient) * y * y
    return y / 2 + series


def scalar_efficiency(log_ratio: float) -> float:
    """Return y of one ``log_delay_ratio`` to a relative 1e-8; 0 if the ratio is not positive."""
    if log_ratio <= 0.0:
        return 0.0
    y = float(initial_efficiency(np.array([log_ratio]))[0][0])
    # One step of Newton's method in ln y, with the slope g.
    slope = max(-y / math.expm1(-y) - 1.0, y / 2)
    return y + (log_ratio - scalar_log_delay_ratio(y)) * y / slope


def relative_change(
    step: float | Float[ndarray, "*#shape"],
    y: float | Float[ndarray, "*shape"],
    slope: float | Float[ndarray, "*shape"],
) -> float | Float[ndarray, "*shape"]:
    """Return the relative change of y in a small step of ``ln D``, to second order.

    ``slope`` is ``log_slope`` of y.
    """
    first_order = step / slope
    curvature = 1.0 - (1.0 + slope) * (y - slope) / slope
    return first_order * (1.0 + 0.5 * curvature * first_order)


def log_slope(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return the slope ``g = d ln(D / f) / d ln y = y / (1 - exp(-y)) - 1``."""
    # Near 0 the difference cancels; g is never below y / 2, and exceeds it by y^2 / 12 at most.
    return np.clip(y / -np.expm1(-y) - 1.0, y / 2, y / 2 + y * y / 12)


def initial_efficiency(
    log_ratio: Float[ndarray, "*shape"],
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return approximations of y and its slope g for a given ``log_delay_ratio > 0``.

    The relative error is at most 2.4e-5 for y and ``4e-5 (1 + y)`` for g. As ``y = log_ratio +
    ln(1 + g)``, a fraction for g is enough; it is exact near 0. Its six coefficients minimise the
    maximum relative error of y: ``python docs/fit_spectral_efficiency.py`` repeats such a fit,
    which reaches 2.2e-5, and a test holds the errors of these coefficients.
    """
    # Numerator: z (1 + a1 z + a2 z^2 + a3 z^3), by Horner's rule in place.
    z = log_ratio
    over = z * 0.0006364011167225908
    over += 0.08979190058841968
    over *= z
    over += 0.5147105736280929
    over *= z
    over += 1.0
    over *= z
    # Denominator: 1 + b1 z + b2 z^2 + b3 z^3.
    under = z * 0.0006368550370162498
    under += 0.08549767733818575
    under *= z
    under += 0.3486241855352333
    under *= z
    under += 1.0
    over /= under
    return z + np.log1p(over), over


def efficiency_halley(
    log_ratio: Float[ndarray, "*shape"], *, near_floor: bool = False
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return y and its slope g for a given ``log_delay_ratio > 0``, in one pass.

    One step of Halley's method (third order) from ``initial_efficiency`` is exact to a few 1e-16 of
    ``ln D``. Near 0, where the logarithm cancels, y has fewer digits than ``efficiency`` gives it;
    ``near_floor`` restores them. NaN if ``log_ratio`` is 0.
    """
    # The step works in few arrays: the memory of large arrays costs as much as their arithmetic.
    y, minus = initial_efficiency(log_ratio)
    # Slope: g = y / (1 - exp(-y)) - 1, not below y / 2.
    np.negative(y, out=minus)
    decay = np.expm1(minus)
    decay /= minus
    slope = np.divide(1.0, decay, out=minus)
    slope -= 1.0
    half = y * 0.5
    np.maximum(slope, half, out=slope)
    # Value at the initial y: ln((exp(y) - 1) / y).
    np.log(decay, out=decay)
    decay += y
    if near_floor:
        small = y < _CANCELS
        decay[small] = _series(y[small])
        slope[small] = half[small] * (1.0 + y[small] / 6.0)
    # Newton's step, as a part of y.
    step = np.subtract(log_ratio, decay, out=decay)
    step /= slope
    # Derivative of the slope: dg / d ln y = (1 + g) (y - g).
    change = np.subtract(y, slope, out=half)
    correction = slope + 1.0
    change *= correction
    # Halley's correction of the step.
    np.divide(change, slope, out=correction)
    correction -= 1.0
    correction *= step
    correction *= 0.5
    correction += 1.0
    step /= correction
    # Slope and y after the step.
    change *= step
    slope += change
    step *= y
    y += step
    return y, slope


def efficiency(log_ratio: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return y for a given ``log_delay_ratio > 0``, to a few units in the last place."""
    y, _ = initial_efficiency(log_ratio)
    # Two steps of Newton's method in ln y.
    for _ in range(2):
        y = y + (log_ratio - log_delay_ratio(y)) * y / log_slope(y)
    return np.asarray(y)
