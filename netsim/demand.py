"""The demands of many devices at many delays, and the least common delays of many small sets at once.

The terms are those of ``netsim.phy``. With ``g = y / (1 - exp(-y)) - 1`` the derivatives of the bandwidth in the
delay are

    -D B' / B = 1 + 1/g            D^2 B'' / B = (1 + 1/g) (2 + y / g^2)

and both fall as D grows (g is convex in y), so that B' < 0, B'' > 0 and B''' < 0: bounds can rest on these signs.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.efficiency import fast_efficiency, rough_efficiency
from netsim.phy import LN2

_CLOSE_TOGETHER: Final = 2e-4
_CLEAR_OF_FLOOR: Final = 1e-3


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
            step = _halley_steps(load, y, growth, bandwidth_hz / LN2 * delay_s)
            delay_s = delay_s * (1.0 + step)
            moved = np.log1p(step)[:, None]
            log_ratio += moved
        # y to second order in the last step: what is missing is cubic in it, as in D itself.
        pace = moved / growth
        curl = 1.0 - (1.0 + 1.0 / growth) * (y - growth)
        y *= 1.0 + pace + 0.5 * curl * pace * pace
        close = np.maximum.reduce(np.abs(pace), axis=1) < _CLOSE_TOGETHER
        # Below a floor the equations have another root, of negative y; close above it y has fewer digits.
        close &= np.minimum.reduce(y, axis=1) > _CLEAR_OF_FLOOR
        delay_s = np.where(close, delay_s, np.nan)
        return delay_s, load * (LN2 / delay_s)[:, None] / y


def _halley_steps(
    load: Float[ndarray, "m n"],
    y: Float[ndarray, "m n"],
    growth: Float[ndarray, "m n"],
    target: Float[ndarray, " m"],
) -> Float[ndarray, " m"]:
    """Return the relative steps in D that bring each set's demand ``sum(load / y)`` to its target.

    Halley's method, exact for a hyperbola, which the demand of a device near its floor is.
    """
    moments = np.empty((3, *y.shape))
    demand, first, second = moments
    inverse = 1.0 / growth
    np.divide(load, y, out=demand)
    np.multiply(demand, inverse, out=first)
    first += demand
    np.multiply(y, inverse, out=second)
    second *= inverse
    second += 2.0
    second *= first
    total, fall, bend = np.add.reduce(moments, axis=2)
    total -= target
    step: Float[ndarray, " m"] = 2.0 * total * fall / (2.0 * fall * fall - total * bend)
    return step


def demand_moments(
    bits: Float[ndarray, " n"], log_floor: Float[ndarray, " n"], delay_s: Float[ndarray, " m"]
) -> Float[ndarray, "3 m n"]:
    """Return the bandwidth ``B`` of each device at each delay, ``-D B'`` and ``D^2 B''``, all in Hz.

    ``log_floor`` is the logarithm of the capacity floor in seconds. NaN where no bandwidth suffices, that is
    where the delay does not exceed the floor.
    """
    above = np.subtract.outer(np.log(delay_s), log_floor)
    moments = np.empty((3, *above.shape))
    band_hz, first, second = moments
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        y, growth = fast_efficiency(np.maximum(above, 0.0, out=above))
        np.multiply.outer(LN2 / delay_s, bits, out=band_hz)
        band_hz /= y
        np.divide(1.0, growth, out=growth)
        np.multiply(growth, band_hz, out=first)
        first += band_hz
        y *= growth
        y *= growth
        y += 2.0
        np.multiply(y, first, out=second)
    return moments
