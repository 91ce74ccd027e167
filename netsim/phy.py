"""Rate, bandwidth and delay of devices that share a band by FDMA.

Everything rests on one function of a device's delay ``D`` relative to its capacity floor ``f`` (the delay that
unlimited bandwidth would give, ``bits N0 ln2 / (P g)``). With the received SNR ``s = P g / (B N0)`` over the
device's own band, ``D / f = s / ln(1 + s)``. In ``y = ln(1 + s)``, the spectral efficiency in nat, this is

    ln(D / f) = ln((exp(y) - 1) / y)

which increases smoothly with a slope between 1/2 and 1, so Newton's iteration never fails, and
``B = bits ln2 / (D y)``. It is the equivalent of the paper's Lemma 3 without the cancellation of its Lambert W.
"""

from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

LN2: Final = float(np.log(2.0))

# Taylor coefficients of ln(sinh(y/2) / (y/2)) in y**2: B_2n / (2n (2n)!), B_2n the Bernoulli numbers.
_SERIES: Final = (
    1 / 24,
    -1 / 2880,
    1 / 181440,
    -1 / 9676800,
    1 / 479001600,
    -691 / 15692092416000,
    1 / 1046139494400,
    -3617 / 170729965486080000,
    43867 / 91963695909076992000,
)
_NEWTON_LIMIT: Final = 60


def rate(
    bandwidth_hz: ArrayLike, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> Float[ndarray, "..."]:
    """Return the Shannon rate of each device over its own band, in bit/s.

    Equation (5) of Wang et al. (2025): ``B log2(1 + P |h|^2 / (B N0))``; 0 where the bandwidth is 0. The
    arguments broadcast: Hz, power gain without unit, W/Hz, W.
    Left out: modulation limits, interference, pilot overhead.
    """
    band = np.asarray(bandwidth_hz, float)
    signal = np.asarray(tx_power_w, float) * np.asarray(gain, float) / noise_psd
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(band > 0, band * np.log1p(signal / band) / LN2, 0.0)


def capacity_floor(
    bits: ArrayLike, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> Float[ndarray, "..."]:
    """Return the delay of each device with unlimited bandwidth, in seconds: ``bits N0 ln2 / (P |h|^2)``."""
    received = np.asarray(tx_power_w, float) * np.asarray(gain, float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.asarray(bits, float) * (noise_psd * LN2) / received)


def snr_for_excess(excess: ArrayLike) -> Float[ndarray, "..."]:
    """Return the received SNR ``s`` that solves ``s / ln(1 + s) - 1 = excess``, for ``excess > 0``.

    ``excess`` is ``D / f - 1``, how far the delay lies above the capacity floor.
    """
    excess = np.asarray(excess, float)
    return np.asarray((1.0 + excess) * _efficiency(np.log1p(excess)))


def bandwidth_for_delay(
    bits: ArrayLike, delay_s: ArrayLike, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> Float[ndarray, "..."]:
    """Return the bandwidth in Hz with which each device delivers ``bits`` in ``delay_s``.

    Inverse of ``bits / rate(...)``; infinite where no bandwidth suffices, that is where the delay does not
    exceed the device's capacity floor. Lemma 3 of the paper, whose ``nu`` is upside down. The arguments
    broadcast: bit, seconds, power gain without unit, W/Hz, W.
    """
    bits, delay_s = np.asarray(bits, float), np.asarray(delay_s, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.log(delay_s / capacity_floor(bits, gain, noise_psd, tx_power_w))
    feasible = (above > 0) & np.isfinite(above)
    efficiency = _efficiency(np.where(feasible, above, 1.0))
    return np.where(feasible, bits * LN2 / (delay_s * efficiency), np.where(bits > 0, np.inf, 0.0))


def min_delay(
    bits: ArrayLike, gain: ArrayLike, bandwidth_hz: float, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> tuple[float, Float[ndarray, " n"]]:
    """Return the least delay in seconds that a set of devices can share, and each one's bandwidth in Hz.

    Problem P3 of the paper: all end together and the bandwidths sum to ``bandwidth_hz``. ``bits``, ``gain`` and
    ``tx_power_w`` broadcast to one value a device. An empty set has delay 0; a device without gain makes the
    delay infinite and leaves the bandwidths undetermined (NaN is never returned: they are 0).
    """
    bits, gain, tx_power_w = np.broadcast_arrays(
        np.atleast_1d(np.asarray(bits, float)), np.asarray(gain, float), np.asarray(tx_power_w, float)
    )
    floor_s = capacity_floor(bits, gain, noise_psd, tx_power_w)
    if not floor_s.size or not np.isfinite(floor_s).all():
        return (np.inf if floor_s.size else 0.0), np.zeros(floor_s.size)
    delay_s, share_hz = min_delays(bits[None], floor_s[None], bandwidth_hz)
    return float(delay_s[0]), share_hz[0]


def min_delays(
    bits: Float[ndarray, "sets n"], floor_s: Float[ndarray, "sets n"], bandwidth_hz: float
) -> tuple[Float[ndarray, " sets"], Float[ndarray, "sets n"]]:
    """Return the least common delay in seconds of several sets of devices at once, and the bandwidths in Hz.

    A row is a set; an entry with 0 bits is no member (its floor is ignored and its bandwidth is 0). Every row
    needs a member, and finite floors.

    With ``y_k`` as in the module's text and ``w`` the device of the largest floor, the shares sum to the band
    when ``sum(bits_k / y_k) = B D / ln2``, and ``ln(D / f_k) = ln(D / f_w) + ln(f_w / f_k)`` needs no
    subtraction near a floor. Newton runs on ``ln y_w`` and all ``y_k`` together, one evaluation a step.
    """
    weakest = np.where(bits > 0, floor_s, 0.0).argmax(axis=1)
    rows = np.arange(len(bits))
    worst_s = floor_s[rows, weakest]
    apart = np.log(worst_s[:, None] / floor_s, out=np.ones_like(bits), where=bits > 0)
    band = bandwidth_hz / LN2 * worst_s
    # The weakest device never has more than the whole band, and about 1/n of it where all are alike.
    least = np.log1p(bits[rows, weakest] / band)
    worst_y = least * np.sqrt(np.count_nonzero(bits, axis=1))
    y = _first_guess(_sketch(worst_y)[0][:, None] + apart)
    for _ in range(_NEWTON_LIMIT):
        y[rows, weakest] = worst_y
        ratio, slope = _sketch(y)
        above = ratio[rows, weakest]
        # The function is convex, so a step never leads below the solution but by rounding, and y >= ratio.
        target = above[:, None] + apart
        miss = target - ratio
        y = np.maximum(y + miss / slope, target)
        step = _common_step(bits / y, y * slope, band, above) / (slope[rows, weakest] * worst_y)
        worst_y = np.maximum(worst_y * np.exp(np.minimum(np.maximum(step, -3.0), 3.0)), least)
        if np.abs(step).max() < 1e-5 and np.abs(miss).max() < 1e-4:
            break
    else:
        raise ArithmeticError(f"no common delay found in {_NEWTON_LIMIT} steps")
    # Newton squares these; one step with the accurate function leaves nothing but rounding.
    y[rows, weakest] = worst_y
    above = _log_ratio(worst_y)
    y += (above[:, None] + apart - _log_ratio(y)) / _sketch(y)[1]
    y[rows, weakest] = worst_y
    slope = _sketch(y)[1]
    step = _common_step(bits / y, y * slope, band, above)
    y += step[:, None] / slope
    delay_s = worst_s * np.exp(above + step)
    return delay_s, bits * LN2 / (delay_s[:, None] * y)


def _common_step(
    load: Float[ndarray, "sets n"],
    elasticity: Float[ndarray, "sets n"],
    band: Float[ndarray, " sets"],
    above: Float[ndarray, " sets"],
) -> Float[ndarray, " sets"]:
    """Return the Newton step in ``ln D`` that brings each set's demand to its band."""
    total = load.sum(axis=1)
    step: Float[ndarray, " sets"] = (np.log(total / band) - above) / (
        (load / elasticity).sum(axis=1) / total + 1.0
    )
    return step


def _log_ratio(y: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``ln((exp(y) - 1) / y)`` to a few units in the last place, for any ``y > 0``."""
    square = np.minimum(y, 1.0) ** 2
    series = np.full_like(y, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        series *= square
        series += coefficient
    return np.where(y < 1.0, y / 2 + square * series, y + np.log(-np.expm1(-y) / y))


def _sketch(y: Float[ndarray, "*shape"]) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return ``_log_ratio`` to a few 1e-16 absolutely, and its slope well enough for a Newton step."""
    mean_decay = -np.expm1(-y) / y
    # Below 1e-5 the difference cancels, and two terms of its series are exact.
    slope = np.where(y < 1e-5, 0.5 + y / 12, (1.0 - mean_decay) / (y * mean_decay))
    return y + np.log(mean_decay), slope


def _first_guess(log_ratio: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return ``y`` of a given ``_log_ratio`` to about one percent; exact in second order near 0."""
    z = log_ratio
    return z + np.log1p(z * (1.0 + 1.178 * z) / (1.0 + 1.0113333333333333 * z))


def _efficiency(log_ratio: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return the ``y`` of a given ``_log_ratio > 0``, to a few units in the last place."""
    y = _first_guess(log_ratio)
    for _ in range(2):
        ratio, slope = _sketch(y)
        y = np.maximum(y + (log_ratio - ratio) / slope, log_ratio)
    return np.asarray(y + (log_ratio - _log_ratio(y)) / _sketch(y)[1])
