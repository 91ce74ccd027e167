"""Rate, bandwidth and delay of devices that share a band by FDMA.

Everything rests on one function of a device's delay ``D`` relative to its capacity floor ``f`` (the
delay that unlimited bandwidth would give, ``bits N0 ln2 / (P g)``). With the received SNR ``s = P g
/ (B N0)`` over the device's own band, ``D / f = s / ln(1 + s)``. In ``y = ln(1 + s)``, the spectral
efficiency in nat, this is

    ln(D / f) = ln((exp(y) - 1) / y)

which increases smoothly with a slope between 1/2 and 1, so Newton's iteration never fails, and ``B
= bits ln2 / (D y)``. It is the equivalent of the paper's Lemma 3 without the cancellation of its
Lambert W.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from netsim.allocation.bandwidth_demand import scalar_crossing
from netsim.allocation.spectral_efficiency import (
    efficiency,
    efficiency_halley,
    relative_change,
    scalar_efficiency,
    scalar_log_ratio,
)
from netsim.link.shannon import LN2, capacity_floor

_BLOCK: Final = 8192
_STEPS_LIMIT: Final = 100
_NEAR_FLOOR: Final = 1e-4
# Relative changes of y. What a step leaves is cubic in it: after a close one less than rounding.
_CLOSE: Final = 4e-6
_SHORT: Final = 1e-2


def snr_for_excess(excess: ArrayLike) -> Float[ndarray, "..."]:
    """Return the received SNR ``s`` that solves ``s / ln(1 + s) - 1 = excess``, for ``excess > 0``.

    ``excess`` is ``D / f - 1``, how far the delay lies above the capacity floor.
    """
    excess = np.asarray(excess, float)
    return np.asarray((1.0 + excess) * efficiency(np.log1p(excess)))


def bandwidth_for_delay(
    bits: ArrayLike,
    delay_s: ArrayLike,
    gain: ArrayLike,
    noise_psd: float,
    tx_power_w: ArrayLike = 1.0,
) -> Float[ndarray, "..."]:
    """Return the bandwidth in Hz with which each device delivers ``bits`` in ``delay_s``.

    Inverse of ``bits / rate(...)``; infinite where no bandwidth suffices, that is where the delay
    does not exceed the device's capacity floor. Lemma 3 of the paper, whose ``nu`` is upside down.
    The arguments broadcast: bit, seconds, power gain without unit, W/Hz, W.
    """
    bits, delay_s = np.asarray(bits, float), np.asarray(delay_s, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.log(delay_s / capacity_floor(bits, gain, noise_psd, tx_power_w))
    feasible = (above > 0) & np.isfinite(above)
    y = efficiency(np.where(feasible, above, 1.0))
    return np.where(feasible, bits * LN2 / (delay_s * y), np.where(bits > 0, np.inf, 0.0))


def min_delay(
    bits: ArrayLike,
    gain: ArrayLike,
    bandwidth_hz: float,
    noise_psd: float,
    tx_power_w: ArrayLike = 1.0,
) -> tuple[float, Float[ndarray, " n"]]:
    """Return the least delay in seconds that a set of devices can share, and each one's bandwidth
    in Hz.

    Problem P3 of the paper: all end together and the bandwidths sum to ``bandwidth_hz``. ``bits``,
    ``gain`` and ``tx_power_w`` broadcast to one value a device. An empty set has delay 0, a device
    without bits gets no bandwidth; a device without gain makes the delay infinite and leaves the
    bandwidths undetermined (NaN is never returned: they are 0).
    """
    bits, gain, tx_power_w = np.broadcast_arrays(
        np.atleast_1d(np.asarray(bits, float)),
        np.asarray(gain, float),
        np.asarray(tx_power_w, float),
    )
    share_hz = np.zeros(bits.size)
    active = bits > 0
    floor_s = capacity_floor(bits[active], gain[active], noise_psd, tx_power_w[active])
    if not floor_s.size or not np.isfinite(floor_s).all():
        return (np.inf if floor_s.size else 0.0), share_hz
    delay_s, share_hz[active], _ = common_delay(bits[active], floor_s, bandwidth_hz)
    return delay_s, share_hz


def common_delay(
    bits: Float[ndarray, " n"],
    floor_s: Float[ndarray, " n"],
    bandwidth_hz: float,
    guess_s: float | None = None,
) -> tuple[float, Float[ndarray, " n"], int]:
    """Return the least common delay in seconds of at least one device, the bandwidths in Hz, and
    the iterations.

    Every device has bits and a finite capacity floor. ``guess_s`` starts the iteration at a delay
    that exceeds all floors.

    With ``y_k`` as in the module's text and ``w`` the device of the largest floor, the shares sum
    to the band when ``sum(bits_k / y_k) = B D / ln2``, and ``ln(D / f_k) = ln(D / f_w) + ln(f_w /
    f_k)`` needs no subtraction near a floor. The iteration runs on ``y_w``, with steps of third
    order (``netsim.allocation.bandwidth_demand``).
    """
    weakest = int(floor_s.argmax())
    worst_s = float(floor_s[weakest])
    apart = np.log1p((worst_s - floor_s) / floor_s)
    band = bandwidth_hz / LN2 * worst_s
    # The weakest device never has more than the whole band, and about 1/n of it where all are
    # alike.
    least = math.log1p(bits[weakest] / band)
    most = math.inf
    worst_y = min(least * math.sqrt(len(bits)), least + math.log(len(bits)))
    if guess_s is not None:
        worst_y = max(scalar_efficiency(math.log(guess_s / worst_s)), least)
    y, growth = np.empty(len(bits)), np.empty(len(bits))
    for iteration in range(1, _STEPS_LIMIT + 1):
        above = scalar_log_ratio(worst_y)
        # Of the weakest y is taken as it is: near its floor, going through ln(D / f) would blur it.
        load, fall, curve = _load_moments(bits, above + apart, y, growth, weakest, worst_y)
        target = band * math.exp(above)
        change = scalar_crossing(load / target - 1.0, fall / target, curve / fall)
        step = math.log1p(change) if change > -1.0 else -math.inf
        pace = abs(step) / float(growth[weakest])
        if pace < _CLOSE:
            y *= 1.0 + relative_change(step, y, growth)
            share_hz = np.divide(bits, y, out=y)
            total = float(share_hz.sum())
            share_hz *= bandwidth_hz / total
            return total * LN2 / bandwidth_hz, share_hz, iteration
        least, most = (worst_y, most) if step > 0 else (least, worst_y)
        if pace < _SHORT:
            worst_y *= 1.0 + float(relative_change(step, worst_y, float(growth[weakest])))
        else:
            worst_y = scalar_efficiency(above + step)
        if not least <= worst_y <= most:
            worst_y = math.sqrt(least * most)
    raise ArithmeticError(f"no common delay found in {_STEPS_LIMIT} steps")


def _load_moments(
    bits: Float[ndarray, " n"],
    above: Float[ndarray, " n"],
    y: Float[ndarray, " n"],
    growth: Float[ndarray, " n"],
    weakest: int,
    worst_y: float,
) -> tuple[float, float, float]:
    """Return the moments of ``netsim.allocation.bandwidth_demand`` summed over devices, and write
    each one's y and g into arrays.

    ``above`` is ``ln(D / f)``; the y of one device is known better than from it. In blocks that
    stay in the cache.
    """
    sums = np.zeros(3)
    for start in range(0, len(bits), _BLOCK):
        of = slice(start, start + _BLOCK)
        found, inverse = efficiency_halley(above[of], near_floor=worst_y < _NEAR_FLOOR)
        growth[of] = inverse
        if start <= weakest < start + _BLOCK:
            found[weakest - start] = worst_y
        y[of] = found
        load = bits[of] / found
        np.divide(1.0, inverse, out=inverse)
        falls = load * inverse
        found *= falls
        found *= inverse
        inverse += 1.0
        found *= inverse
        sums += load.sum(), falls.sum(), 0.5 * found.sum()
    load_sum, fall, curve = sums.tolist()
    return load_sum, fall, curve
