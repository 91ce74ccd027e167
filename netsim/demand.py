"""What sets of devices need of the band at many delays at once, and bounds of the delays at which they fill it.

The terms are those of ``netsim.phy``: the devices of a set end together at the delay D where their loads
``sum(bits_k / y_k)`` come to ``D B / ln2``. As a function of D each ``1 / y`` is a mixture, with positive
weights, of ``1 / (D - t)`` with t at most the capacity floor: y, the inverse of ``D = f (exp(y) - 1) / y``, maps
the upper half of the complex plane into itself, and so ``-1 / y`` does. Of such a mixture, let ``load``, ``fall``
and ``curve`` be its value, ``-D`` times its slope and ``D^2 / 2`` times its second derivative at a delay D. Then

    load at D (1 + z) = load - fall z / (1 + c z)

with some c between ``fall / load`` and ``curve / fall`` where z > 0, and between ``curve / fall`` and
``D / (D - f)``, f the largest floor, where z < 0 (means of ``D / (D - t)`` under heavier and heavier weights).
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.efficiency import change_of, fast_efficiency, rough_efficiency

_LN2: Final = float(np.log(2.0))
_CLOSE_TOGETHER: Final = 2e-4
_CLEAR_OF_FLOOR: Final = 1e-3


def load_moments(
    bits: Float[ndarray, " n"], log_floor: Float[ndarray, " n"], delay_s: float
) -> Float[ndarray, "3 n"]:
    """Return each device's load ``bits / y``, its fall and its curve (see above) at a delay, all in bit.

    ``log_floor`` is the logarithm of the capacity floor in seconds. NaN where no bandwidth suffices, that is
    where the delay does not exceed the floor.
    """
    moments = np.empty((3, len(bits)))
    load, fall, curve = moments
    above = math.log(delay_s) - log_floor
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        y, growth = fast_efficiency(np.maximum(above, 0.0, out=above))
        np.divide(bits, y, out=load)
        inverse = np.divide(1.0, growth, out=growth)
        np.multiply(load, inverse, out=fall)
        np.multiply(fall, inverse, out=curve)
        curve *= y
        inverse += 1.0
        inverse *= 0.5
        curve *= inverse
    return moments


def crossing(
    excess: Float[ndarray, "*#shape"],
    fall: Float[ndarray, "*#shape"],
    bend: Float[ndarray, "*shape"],
    target: float | Float[ndarray, "*#shape"],
) -> Float[ndarray, "*shape"]:
    """Return the z at which ``load - fall z / (1 + bend z)`` comes to ``target (1 + z)``.

    ``excess`` is ``load - target`` in bit, ``bend`` the c of the module's text, without unit. The z rises with it.
    """
    bent = bend * excess
    slope = target + fall - bent
    np.abs(bent, out=bent)
    # The discriminant as a sum of what is positive.
    square = np.square(target + fall - bent)
    bent *= np.where(excess > 0, 4.0 * target, 4.0 * fall)
    square += bent
    slope += np.sqrt(square, out=square)
    return 2.0 * excess / slope


def scalar_crossing(excess: float, fall: float, bend: float, target: float) -> float:
    """Return ``crossing`` of one set, without the cost of NumPy for it."""
    bent = bend * excess
    least = target + fall - abs(bent)
    square = least * least + 4.0 * abs(bent) * (target if excess > 0 else fall)
    return 2.0 * excess / (target + fall - bent + math.sqrt(square))


def prefix_delays(
    bits: Float[ndarray, " n"],
    floor_s: Float[ndarray, " n"],
    counts: Int[ndarray, " m"],
    bandwidth_hz: float,
    guess_s: Float[ndarray, " m"],
) -> tuple[Float[ndarray, " m"], Float[ndarray, "m n"]]:
    """Return the least common delays in seconds of the first ``counts`` devices, and the bandwidths in Hz.

    Many small sets at once, from guesses within some ten percent, to a relative 1e-12. NaN where that is not
    certain: a guess too far away, or a device too close to its floor; ``common_delay`` is for these.
    """
    member = np.arange(len(bits)) < counts[:, None]
    load = np.where(member, bits, 0.0)
    delay_s = guess_s
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_ratio = np.log(np.divide.outer(guess_s, floor_s))
        log_ratio[~member] = 1.0
        for find in (rough_efficiency, rough_efficiency, fast_efficiency):
            y, growth = find(log_ratio)
            change = _changes(load, y, growth, bandwidth_hz / _LN2 * delay_s)
            delay_s = delay_s * (1.0 + change)
            moved = np.log1p(change)[:, None]
            log_ratio += moved
        # y to second order in the last step: what is missing is cubic in it, as in D itself.
        paces = change_of(moved, y, growth)
        y *= 1.0 + paces
        close = np.maximum.reduce(np.abs(paces), axis=1) < _CLOSE_TOGETHER
        # Below a floor the equations have another root, of negative y; close above it y has fewer digits.
        close &= np.minimum.reduce(y, axis=1) > _CLEAR_OF_FLOOR
        delay_s = np.where(close, delay_s, np.nan)
        return delay_s, load * (_LN2 / delay_s)[:, None] / y


def _changes(
    load: Float[ndarray, "m n"],
    y: Float[ndarray, "m n"],
    growth: Float[ndarray, "m n"],
    target: Float[ndarray, " m"],
) -> Float[ndarray, " m"]:
    """Return by which part each set's delay has to change for its loads ``load / y`` to come to its target."""
    moments = np.empty((3, *y.shape))
    loads, falls, curves = moments
    inverse = 1.0 / growth
    np.divide(load, y, out=loads)
    np.multiply(loads, inverse, out=falls)
    np.multiply(falls, inverse, out=curves)
    curves *= y
    inverse += 1.0
    curves *= inverse
    excess, slope, curve = np.add.reduce(moments, axis=2)
    excess -= target
    slope += target
    # Halley's: of the same order as ``crossing`` and cheaper, but less sure from far away.
    change: Float[ndarray, " m"] = excess * slope / (slope * slope - 0.5 * curve * excess)
    return change
