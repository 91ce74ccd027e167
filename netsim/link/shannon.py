"""Shannon rate of a device over its own band, and its capacity floor."""

from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

LN2: Final = float(np.log(2.0))
"""Natural logarithm of 2: bits per nat is its inverse."""


def rate(
    bandwidth_hz: ArrayLike, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> Float[ndarray, "..."]:
    """Return the Shannon rate of each device over its own band, in bit/s.

    Equation (5) of Wang et al. (2025): ``B log2(1 + P |h|^2 / (B N0))``; 0 where the bandwidth is
    0. The arguments broadcast: Hz, power gain without unit, W/Hz, W.
    Left out: modulation limits, interference, pilot overhead.
    """
    band = np.asarray(bandwidth_hz, float)
    signal = np.asarray(tx_power_w, float) * np.asarray(gain, float) / noise_psd
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(band > 0, band * np.log1p(signal / band) / LN2, 0.0)


def capacity_floor(
    bits: ArrayLike, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
) -> Float[ndarray, "..."]:
    """Return the capacity floor of each device in seconds: its delay with unlimited bandwidth.

    ``bits N0 ln2 / (P |h|^2)``, the limit of ``bits / rate(...)``; infinite at zero gain. The
    arguments broadcast: bit, power gain without unit, W/Hz, W.
    """
    received = np.asarray(tx_power_w, float) * np.asarray(gain, float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.asarray(bits, float) * (noise_psd * LN2) / received)
