"""Spectral efficiency of a device as a function of how far its delay exceeds the capacity floor.

See ``netsim.phy`` for where ``ln(D / f) = ln((exp(y) - 1) / y)`` comes from. Here are that function, its inverse
and its slope, each to a few units in the last place, written for few NumPy calls: at twenty devices those are
what scheduling costs.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# Taylor coefficients of ln(sinh(y/2) / (y/2)) in y**2: B_2n / (2n (2n)!), B_2n the Bernoulli numbers.
_SERIES: Final = (1 / 24, -1 / 2880, 1 / 181440, -1 / 9676800)
_SERIES_END: Final = 0.1


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
    near = y[small]
    square = near * near
    series = _SERIES[-1] * square
    for coefficient in _SERIES[-2::-1]:
        series += coefficient
        series *= square
    far = np.asarray(far)
    far[small] = series + near / 2
    return far


def scalar_log_ratio(y: float) -> float:
    """Return ``log_ratio_of`` of one number, without the cost of NumPy for it."""
    if y >= _SERIES_END:
        return y + math.log(-math.expm1(-y) / y)
    series = 0.0
    for coefficient in reversed(_SERIES):
        series = (series + coefficient) * y * y
    return y / 2 + series


def growth_of(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``g = y / (1 - exp(-y)) - 1``, which is also ``d ln((exp(y) - 1) / y) / d ln y``."""
    # Near 0 the difference cancels; g is never below y / 2, and exceeds it by y^2 / 12 at most.
    return np.clip(y / -np.expm1(-y) - 1.0, y / 2, y / 2 + y * y / 12)


def _first_guess(log_ratio: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``y`` of a given ``log_ratio_of`` to a relative 5e-5: a fitted fraction, exact near 0 and far out."""
    z = log_ratio
    over = z * 0.07905637685283397
    over += 0.5154767846606803
    over *= z
    over += 1.0
    over *= z
    under = z * 0.07714778188882622
    under += 0.348196994678092
    under *= z
    under += 1.0
    over /= under
    return z + np.log1p(over)


def rough_efficiency(
    log_ratio: Float[ndarray, "*shape"],
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return the ``y`` of a given ``log_ratio_of > 0`` to a relative 5e-5, and the ``g`` of that y."""
    y = _first_guess(log_ratio)
    growth = y / -np.expm1(-y)
    growth -= 1.0
    return y, growth


def fast_efficiency(
    log_ratio: Float[ndarray, "*shape"],
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return the ``y`` of a given ``log_ratio_of > 0`` to a few 1e-16 of ``ln D``, and its ``g``, in one pass.

    One step of third order (Halley) from the first guess. Near 0, where the logarithm cancels, y has fewer digits
    than ``efficiency`` gives it. NaN where ``log_ratio`` is 0.
    """
    y = _first_guess(log_ratio)
    minus = -y
    decay = np.expm1(minus)
    decay /= minus
    growth = 1.0 / decay
    growth -= 1.0
    np.maximum(growth, y * 0.5, out=growth)
    np.log(decay, out=decay)
    decay += y
    step = log_ratio - decay  # Newton's, as a part of y
    step /= growth
    change = growth + 1.0  # dg / d ln y = (1 + g) (y - g)
    change *= y - growth
    bend = change / growth
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
    y = _first_guess(log_ratio)
    for _ in range(2):
        y = y + (log_ratio - log_ratio_of(y)) * y / growth_of(y)
    return np.asarray(y)
