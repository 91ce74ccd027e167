"""What sets of devices need of the band at many delays at once, and bounds of the delays at which
they fill it.

The terms are those of ``netsim.allocation.common_delay``: the devices of a set end together at the
delay D where their loads ``sum(bits_k / y_k)`` come to ``D B / ln2``. Let ``load``, ``fall`` and
``curve`` be the sum's value, ``-D`` times its slope and ``D^2 / 2`` times its second derivative at
a delay D. Then

    load at D (1 + z) = load - fall z / (1 + c z)

with some c between ``fall / load`` and ``curve / fall`` where z > 0, and between ``curve / fall``
and ``D / (D - f)``, f the largest floor, where z < 0. For one device these are: y is concave in D,
because ``D = f (exp(y) - 1) / y`` is convex in y; the Schwarzian derivative of ``(exp(y) - 1) / y``
is negative; and ``1 / y`` is concave in ``1 / (D - f)``. Each side is convex in its c, so Jensen's
inequality gives them for sums.
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

# Largest relative change of y in the last step that is taken, and below which an error of 1e-12 is
# not passed.
_CLOSE: Final = 2e-4
_CLOSEST: Final = 6e-5
_CLEAR_OF_FLOOR: Final = 1e-3


def load_moments(
    bits: Float[ndarray, " n"], log_floor: Float[ndarray, " n"], delay_s: float
) -> Float[ndarray, "3 n"]:
    """Return each device's load ``bits / y``, its fall and its curve (see above) at a delay, all in
    bit.

    ``log_floor`` is the logarithm of the capacity floor in seconds. NaN where no bandwidth
    suffices, that is where the delay does not exceed the floor.
    """
    moments = np.empty((3, len(bits)))
    load, fall, curve = moments
    above = math.log(delay_s) - log_floor
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        y, growth = efficiency_halley(np.maximum(above, 0.0, out=above))
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

    ``excess`` is ``load - target`` in bit, ``bend`` the c of the module's text, without unit. The z
    rises with it.
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


def scalar_crossing(excess: float, fall: float, bend: float) -> float:
    """Return ``crossing`` of one set in units of its target, without the cost of NumPy for it."""
    bent = bend * excess
    least = 1.0 + fall - abs(bent)
    square = least * least + 4.0 * abs(bent) * (1.0 if excess > 0 else fall)
    return 2.0 * excess / (1.0 + fall - bent + math.sqrt(square))


def prefix_delays(
    bits: Float[ndarray, " n"],
    floor_s: Float[ndarray, " n"],
    counts: Int[ndarray, " m"],
    bandwidth_hz: float,
    guess_s: Float[ndarray, " m"],
) -> tuple[Float[ndarray, " m"], Float[ndarray, "m n"], Float[ndarray, " m"]]:
    """Return the least common delays in seconds of the first ``counts`` devices, the bandwidths in
    Hz, and a bound.

    Many small sets at once, from guesses within some ten percent. The bound is of the delays'
    relative error: 0 where that is below 1e-12, at most 2e-10, and NaN where nothing is certain: a
    guess too far away, or a device too close to its floor. ``common_delay`` is for these.
    """
    member = np.arange(len(bits)) < counts[:, None]
    load = np.where(member, bits, 0.0)
    delay_s = guess_s
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_ratio = np.log(np.divide.outer(guess_s, floor_s))
        log_ratio[~member] = 1.0
        for find in (initial_efficiency, initial_efficiency, efficiency_halley):
            y, growth = find(log_ratio)
            change = _changes(load, y, growth, bandwidth_hz / math.log(2.0) * delay_s)
            delay_s = delay_s * (1.0 + change)
            moved = np.log1p(change)[:, None]
            log_ratio += moved
        # y to second order in the last step: what is missing is cubic in it, as in D itself.
        paces = relative_change(moved, y, growth)
        y *= 1.0 + paces
        error = np.zeros(len(counts))
        largest, least = np.maximum.reduce(np.abs(paces), axis=1), np.minimum.reduce(y, axis=1)
        if not (largest.max() < _CLOSEST and least.min() > _CLEAR_OF_FLOOR):
            error = np.where(largest < _CLOSEST, 0.0, 20.0 * largest**3)
            # Below a floor the equations have another root, of negative y; close above it y has
            # fewer digits.
            error[~((largest < _CLOSE) & (least > _CLEAR_OF_FLOOR))] = np.nan
        share_hz = load / y
        total = np.add.reduce(share_hz, axis=1)
        share_hz *= (bandwidth_hz / total)[:, None]
        return total * (math.log(2.0) / bandwidth_hz), share_hz, error


def _changes(
    load: Float[ndarray, "m n"],
    y: Float[ndarray, "m n"],
    growth: Float[ndarray, "m n"],
    target: Float[ndarray, " m"],
) -> Float[ndarray, " m"]:
    """Return by which part each set's delay has to change for its loads ``load / y`` to come to its
    target.
    """
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
