"""Minimum common delay under truncated Shannon: a maximum efficiency and a minimum SNR.

The terms are those of ``netsim.allocation.common_delay``. Under a maximum spectral efficiency of
``y_max`` nat, the load of a device at the common delay D is

    D B_k(D) / ln2 = max(bits_k / y_k(D), bits_k / y_max)

the larger of the closed form and a constant. With a minimum SNR a device has a largest useful
bandwidth, so its delay has a minimum above the capacity floor, its *floor* here; at any delay from
there on, the bandwidth of the closed form is within the useful one.

``bits / y(D)`` is convex and falls in D, because y is concave and rises (``bandwidth_demand``). The
maximum with a constant stays convex and never rises. So ``F(D) = sum of loads - D B / ln2`` is
convex and falls strictly, and the common delay is its root, or the largest floor where that is
later; a part of the band is then unused.

*Newton's iteration is safe.* A convex function lies above its tangents, at a kink above every line
between the two one-sided ones. So a step from the left of the root ends at the root or left of it,
and the iterates rise to it from the first lower bound on. The bounds of ``bandwidth_demand`` on the
curvature do not hold at the kink; ``Prefixes`` is not used here.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import ArrayLike

from netsim.allocation import common_delay
from netsim.allocation.spectral_efficiency import efficiency, log_slope
from netsim.link.shannon import LN2, capacity_floor
from netsim.link.shannon_link import ShannonLink

_MAX_STEPS: Final = 200
_LAST_CHANGE: Final = 1e-15
"""Relative step of D after which the iteration ends."""


def floor(
    link: ShannonLink,
    bits: ArrayLike,
    gain: ArrayLike,
    noise_psd: float,
    *,
    tx_power_w: ArrayLike = 1.0,
) -> Float[ndarray, "..."]:
    """Return the minimum delay of each device in seconds, with the bandwidth that suits it best.

    Infinite at zero gain.
    """
    if not link.min_snr:
        noise = link.shannon_noise_psd(noise_psd)
        return capacity_floor(link.shannon_bits(np.asarray(bits, float)), gain, noise, tx_power_w)
    useful_hz = link.max_bandwidth(gain, noise_psd, tx_power_w=tx_power_w)
    reached = link.efficiency * math.log1p(link.min_snr / link.gap) / LN2
    with np.errstate(divide="ignore"):
        return np.asarray(bits, float) / (useful_hz * min(reached, link.cap))


def bandwidth_for_delay(
    link: ShannonLink,
    bits: ArrayLike,
    delay_s: ArrayLike,
    gain: ArrayLike,
    noise_psd: float,
    *,
    tx_power_w: ArrayLike = 1.0,
) -> Float[ndarray, "..."]:
    """Return the bandwidth of each device in Hz that delivers ``bits`` in ``delay_s``.

    The maximum of the closed form and ``bits / (cap delay)``; infinite below the device's floor.
    """
    bits = np.asarray(bits, float)
    delay_s = np.asarray(delay_s, float)
    needed_hz = common_delay.bandwidth_for_delay(
        link.shannon_bits(bits),
        delay_s,
        gain,
        noise_psd=link.shannon_noise_psd(noise_psd),
        tx_power_w=tx_power_w,
    )
    if not link.is_truncated:
        return needed_hz
    with np.errstate(divide="ignore"):
        needed_hz = np.maximum(needed_hz, bits / (link.cap * delay_s))
    if link.min_snr:
        reachable = delay_s >= floor(link, bits, gain, noise_psd, tx_power_w=tx_power_w)
        # At the floor itself the closed form may lose its last digits; the useful band is exact.
        useful_hz = link.max_bandwidth(gain, noise_psd, tx_power_w=tx_power_w)
        needed_hz = np.where(reachable | (bits == 0), np.minimum(needed_hz, useful_hz), np.inf)
    return np.where(bits > 0, needed_hz, 0.0)


def min_delay(
    link: ShannonLink,
    bits: ArrayLike,
    gain: ArrayLike,
    bandwidth_hz: float,
    noise_psd: float,
    *,
    tx_power_w: ArrayLike = 1.0,
) -> tuple[float, Float[ndarray, " n"]]:
    """Return the minimum common delay of a set in seconds, and its bandwidths in Hz.

    As ``common_delay.min_delay``, which solves the set if no device is at a limit. Where the
    largest floor sets the delay, the bandwidths sum to less than ``bandwidth_hz``. Where all
    devices are at the maximum efficiency, the bandwidths are in proportion to the bits.
    """
    bits, gain, tx_power_w = np.broadcast_arrays(
        np.atleast_1d(np.asarray(bits, float)),
        np.asarray(gain, float),
        np.asarray(tx_power_w, float),
    )
    shannon_bits = link.shannon_bits(bits)
    noise = link.shannon_noise_psd(noise_psd)
    delay_s, share_hz = common_delay.min_delay(
        shannon_bits, gain, bandwidth_hz, noise_psd=noise, tx_power_w=tx_power_w
    )
    if not link.is_truncated or not 0.0 < delay_s < math.inf:
        return delay_s, share_hz
    active = bits > 0
    floors = (
        floor(link, bits[active], gain[active], noise_psd, tx_power_w=tx_power_w[active])
        if link.min_snr
        else np.zeros(1)
    )
    latest_s = float(floors.max())
    within = bits[active] <= link.cap * delay_s * share_hz[active]
    if within.all() and latest_s <= delay_s:
        return delay_s, share_hz
    delay_s, load = _root(
        shannon_bits[active],
        capacity_floor(shannon_bits[active], gain[active], noise, tx_power_w=tx_power_w[active]),
        bandwidth_hz / LN2,
        start_s=max(delay_s, latest_s),
        max_y=link.cap * LN2 / link.efficiency,
    )
    share_hz[active] = load * (LN2 / delay_s)
    if delay_s > latest_s:
        share_hz *= bandwidth_hz / share_hz.sum()
    elif link.min_snr:
        useful_hz = link.max_bandwidth(gain, noise_psd, tx_power_w=tx_power_w)
        np.minimum(share_hz, useful_hz, out=share_hz)
    return delay_s, share_hz


def _root(
    bits: Float[ndarray, " n"],
    floor_s: Float[ndarray, " n"],
    band: float,
    *,
    start_s: float,
    max_y: float,
) -> tuple[float, Float[ndarray, " n"]]:
    """Return the root of F in seconds, at least ``start_s``, and the loads there.

    ``band`` is ``B / ln2``. ``start_s`` is above the capacity floors, and F is not negative there
    unless the delay is ``start_s`` itself.
    """
    delay_s = start_s
    for _ in range(_MAX_STEPS):
        # Loads and their slopes; a device at its maximum has none.
        load, slope = _loads(bits, np.log(delay_s / floor_s), max_y)
        excess = float(load.sum()) - delay_s * band
        step_s = excess / (float(slope.sum()) / delay_s + band)
        if step_s <= _LAST_CHANGE * delay_s:
            return delay_s, load
        delay_s += step_s
    raise ArithmeticError(f"no common delay found in {_MAX_STEPS} steps")


def _loads(
    bits: Float[ndarray, " n"], log_ratio: Float[ndarray, " n"], max_y: float
) -> tuple[Float[ndarray, " n"], Float[ndarray, " n"]]:
    """Return the loads of devices in bit, and ``-D`` times their derivatives."""
    positive = np.maximum(log_ratio, np.finfo(float).tiny)
    y = efficiency(positive)
    at_maximum: Bool[ndarray, " n"] = y >= max_y
    load = bits / np.minimum(y, max_y)
    return load, np.where(at_maximum, 0.0, load / log_slope(y))
