"""Spectral efficiency of a device as a function of how far its delay exceeds the capacity floor.

See ``netsim.allocation.common_delay`` for where ``ln(D / f) = ln((exp(y) - 1) / y)`` comes from.
Here are that function, its inverse and its slope, each to a few units in the last place, written
for few NumPy calls: at twenty devices those are what scheduling costs.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# Taylor coefficients of ln(sinh(y/2) / (y/2)) in y**2: B_2n / (2n (2n)!), B_2n the Bernoulli
# numbers.
_SERIES: Final = (1 / 24, -1 / 2880, 1 / 181440, -1 / 9676800)
_SERIES_END: Final = 0.1
_CANCELS: Final = 1e-4


def log_ratio_of(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``ln((exp(y) - 1) / y)`` to a few units in the last place, for any ``y > 0``."""
    minus = -y
    decay = np.expm1(minus)
    decay /= minus
    far = np.log(decay)
    far += y
    small = y < _SERIES_END
    if not small.any():
        return far
    # Near 0 the logarithms cancel; of many devices few are there.
    far = np.asarray(far)
    far[small] = _series(y[small])
    return far


def _series(y: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return ``log_ratio_of`` near 0."""
    square = y * y
    series = _SERIES[-1] * square
    for coefficient in _SERIES[-2::-1]:
        series += coefficient
        series *= square
    return series + y / 2


def scalar_log_ratio(y: float) -> float:
    """Return ``log_ratio_of`` of one number, without the cost of NumPy for it."""
    if y >= _SERIES_END:
        return y + math.log(-math.expm1(-y) / y)
    series = 0.0
    for coefficient in reversed(_SERIES):
        series = (series + coefficient) * y * y
    return y / 2 + series


def scalar_efficiency(log_ratio: float) -> float:
    """Return the ``y`` of one ``log_ratio_of`` to a relative 1e-8; 0 where that is not positive."""
    if log_ratio <= 0.0:
        return 0.0
    y = float(initial_efficiency(np.array([log_ratio]))[0][0])
    growth = max(-y / math.expm1(-y) - 1.0, y / 2)
    return y + (log_ratio - scalar_log_ratio(y)) * y / growth


def relative_change(
    step: float | Float[ndarray, "*#shape"],
    y: float | Float[ndarray, "*shape"],
    growth: float | Float[ndarray, "*shape"],
) -> float | Float[ndarray, "*shape"]:
    """Return the relative change of ``y``, whose ``g`` is known, in a small step of ``ln D``: to
    second order.
    """
    pace = step / growth
    curl = 1.0 - (1.0 + growth) * (y - growth) / growth
    return pace * (1.0 + 0.5 * curl * pace)


def log_slope(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``g = y / (1 - exp(-y)) - 1``, which is also ``d ln((exp(y) - 1) / y) / d ln y``."""
    # Near 0 the difference cancels; g is never below y / 2, and exceeds it by y^2 / 12 at most.
    return np.clip(y / -np.expm1(-y) - 1.0, y / 2, y / 2 + y * y / 12)


def initial_efficiency(
    log_ratio: Float[ndarray, "*shape"],
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return the ``y`` of a given ``log_ratio_of > 0`` to a relative 2.4e-5, and its ``g`` to 4e-5
    times 1 + y.

    As ``y = log_ratio + ln(1 + g)``, it is enough to know g: a fitted fraction, exact near 0.
    """
    z = log_ratio
    over = z * 0.0006364011167225908
    over += 0.08979190058841968
    over *= z
    over += 0.5147105736280929
    over *= z
    over += 1.0
    over *= z
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
    """Return the ``y`` of a given ``log_ratio_of > 0`` to a few 1e-16 of ``ln D``, and its ``g``,
    in one pass.

    One step of third order (Halley) from the first guess. Near 0, where the logarithm cancels, y
    has fewer digits than ``efficiency`` gives it, but ``near_floor`` takes care of that. NaN where
    ``log_ratio`` is 0.
    """
    # In few arrays: of large ones, getting the memory costs as much as the arithmetic.
    y, minus = initial_efficiency(log_ratio)
    np.negative(y, out=minus)
    decay = np.expm1(minus)
    decay /= minus
    growth = np.divide(1.0, decay, out=minus)
    growth -= 1.0
    half = y * 0.5
    np.maximum(growth, half, out=growth)
    np.log(decay, out=decay)
    decay += y
    if near_floor:
        small = y < _CANCELS
        decay[small] = _series(y[small])
        growth[small] = half[small] * (1.0 + y[small] / 6.0)
    step = np.subtract(log_ratio, decay, out=decay)  # Newton's, as a part of y
    step /= growth
    change = np.subtract(y, growth, out=half)  # dg / d ln y = (1 + g) (y - g)
    bend = growth + 1.0
    change *= bend
    np.divide(change, growth, out=bend)
    bend -= 1.0
    bend *= step
    bend *= 0.5
    bend += 1.0
    step /= bend
    change *= step
    growth += change
    step *= y
    y += step
    return y, growth


def efficiency(log_ratio: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return the ``y`` of a given ``log_ratio_of > 0``, to a few units in the last place."""
    y, _ = initial_efficiency(log_ratio)
    for _ in range(2):
        y = y + (log_ratio - log_ratio_of(y)) * y / log_slope(y)
    return np.asarray(y)
