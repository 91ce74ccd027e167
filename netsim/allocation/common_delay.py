"""Minimum common delay of devices that share a band by FDMA, and the bandwidth for a delay.

Everything rests on one function of a device's delay ``D`` relative to its capacity floor ``f`` (the
delay of unlimited bandwidth, ``bits N0 ln2 / (P g)``). With the received SNR ``s = P g / (B N0)``
over the device's own band, ``D / f = s / ln(1 + s)``. In ``y = ln(1 + s)``, the spectral efficiency
in nat, this is

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

from netsim.allocation.bandwidth_demand import scalar_rational_bound
from netsim.allocation.spectral_efficiency import (
    efficiency,
    efficiency_halley,
    relative_change,
    scalar_efficiency,
    scalar_log_delay_ratio,
)
from netsim.link.shannon import LN2, capacity_floor

_BLOCK: Final = 8192
"""Devices per block: the arrays of a block stay in the cache of a core."""
_MAX_STEPS: Final = 100
_NEAR_FLOOR: Final = 1e-4
"""Efficiency of the weakest device below which the logarithms of its delay cancel."""
_LAST_CHANGE: Final = 4e-6
"""Relative change of y after which the iteration ends: the step leaves an error cubic in the
change, which is then less than rounding (4e-6 cubed is 6e-17).
"""
_SMALL_CHANGE: Final = 1e-2
"""Relative change of y below which its expansion to second order serves as the next iterate."""


def bandwidth_for_delay(
    bits: ArrayLike,
    delay_s: ArrayLike,
    gain: ArrayLike,
    noise_psd: float,
    tx_power_w: ArrayLike = 1.0,
) -> Float[ndarray, "..."]:
    """Return the bandwidth of each device in Hz that delivers ``bits`` in ``delay_s``.

    Inverse of ``bits / rate(...)``; infinite if no bandwidth suffices, because the delay does not
    exceed the device's capacity floor. Lemma 3 of the paper, whose ``nu`` is upside down. The
    arguments broadcast: bit, seconds, power gain without unit, W/Hz, W.
    """
    bits = np.asarray(bits, float)
    delay_s = np.asarray(delay_s, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.log(delay_s / capacity_floor(bits, gain, noise_psd, tx_power_w=tx_power_w))
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
    """Return the minimum common delay of a set in seconds, and its bandwidths in Hz.

    Problem P3 of the paper: all devices end together and the bandwidths sum to ``bandwidth_hz``.
    ``bits``, ``gain`` and ``tx_power_w`` broadcast to one value per device. An empty set has delay
    0. A device without bits gets no bandwidth. A device without gain makes the delay infinite and
    all bandwidths 0.
    """
    bits, gain, tx_power_w = np.broadcast_arrays(
        np.atleast_1d(np.asarray(bits, float)),
        np.asarray(gain, float),
        np.asarray(tx_power_w, float),
    )
    share_hz = np.zeros(bits.size)
    active = bits > 0
    floor_s = capacity_floor(bits[active], gain[active], noise_psd, tx_power_w=tx_power_w[active])
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
    """Return the minimum common delay in seconds, the bandwidths in Hz and the iterations.

    There is at least one device; every device has bits and a finite capacity floor. ``guess_s``
    starts the iteration at a delay that exceeds all floors.

    With ``y_k`` as in the module's text and ``w`` the device of the largest floor, the shares sum
    to the band at ``sum(bits_k / y_k) = B D / ln2``, and ``ln(D / f_k) = ln(D / f_w) + ln(f_w /
    f_k)`` needs no subtraction near a floor. The iteration runs on ``y_w``, with steps of third
    order (``netsim.allocation.bandwidth_demand``).
    """
    weakest = int(floor_s.argmax())
    worst_s = float(floor_s[weakest])
    apart = np.log1p((worst_s - floor_s) / floor_s)
    band = bandwidth_hz / LN2 * worst_s
    # Bracket of y_w. The weakest device has the whole band at most; among equal devices it has
    # about 1/n of the band.
    lowest_y = math.log1p(bits[weakest] / band)
    highest_y = math.inf
    worst_y = min(lowest_y * math.sqrt(len(bits)), lowest_y + math.log(len(bits)))
    if guess_s is not None:
        worst_y = max(scalar_efficiency(math.log(guess_s / worst_s)), lowest_y)
    y = np.empty(len(bits))
    log_slope = np.empty(len(bits))
    for iteration in range(1, _MAX_STEPS + 1):
        # Loads of all devices at the present delay. The weakest device keeps its y: near its
        # floor, the way through ln(D / f) would lose digits.
        above = scalar_log_delay_ratio(worst_y)
        load, slope, curvature = _summed_moments(
            bits, above + apart, y, log_slope=log_slope, weakest=weakest, worst_y=worst_y
        )
        # Step of ln D to the delay at which the loads fill the band.
        target = band * math.exp(above)
        change = scalar_rational_bound(load / target - 1.0, slope / target, curvature / slope)
        step = math.log1p(change) if change > -1.0 else -math.inf
        change_y = abs(step) / float(log_slope[weakest])
        # Converged: carry the last step over to every y, then scale the shares to the band.
        if change_y < _LAST_CHANGE:
            y *= 1.0 + relative_change(step, y, log_slope)
            share_hz = np.divide(bits, y, out=y)
            total = float(share_hz.sum())
            share_hz *= bandwidth_hz / total
            return total * LN2 / bandwidth_hz, share_hz, iteration
        # Next iterate, within the bracket.
        lowest_y, highest_y = (worst_y, highest_y) if step > 0 else (lowest_y, worst_y)
        if change_y < _SMALL_CHANGE:
            worst_y *= 1.0 + float(relative_change(step, worst_y, float(log_slope[weakest])))
        else:
            worst_y = scalar_efficiency(above + step)
        if not lowest_y <= worst_y <= highest_y:
            worst_y = math.sqrt(lowest_y * highest_y)
    raise ArithmeticError(f"no common delay found in {_MAX_STEPS} steps")


def _summed_moments(
    bits: Float[ndarray, " n"],
    above: Float[ndarray, " n"],
    y: Float[ndarray, " n"],
    *,
    log_slope: Float[ndarray, " n"],
    weakest: int,
    worst_y: float,
) -> tuple[float, float, float]:
    """Return load, slope and curvature of the set; write each device's y and g into the arrays.

    The moments are those of ``netsim.allocation.bandwidth_demand``, summed over the devices.
    ``above`` is ``ln(D / f)``; ``worst_y`` is the y of the weakest device.
    """
    sums = np.zeros(3)
    for start in range(0, len(bits), _BLOCK):
        # Efficiency and slope of the devices of a block.
        block = slice(start, start + _BLOCK)
        block_y, inverse = efficiency_halley(above[block], near_floor=worst_y < _NEAR_FLOOR)
        log_slope[block] = inverse
        if start <= weakest < start + _BLOCK:
            block_y[weakest - start] = worst_y
        y[block] = block_y
        # Moments of the block: L, L / g and L y (1 + 1/g) / g^2 (halved in the sum).
        load = bits[block] / block_y
        np.divide(1.0, inverse, out=inverse)
        slopes = load * inverse
        block_y *= slopes
        block_y *= inverse
        inverse += 1.0
        block_y *= inverse
        sums += load.sum(), slopes.sum(), 0.5 * block_y.sum()
    load_sum, slope, curvature = sums.tolist()
    return load_sum, slope, curvature
