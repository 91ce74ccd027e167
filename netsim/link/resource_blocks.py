"""Resource blocks: the grid of a band, and the rate of a device over whole blocks of it."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.link.base import Link

SUBCARRIERS: Final = 12
"""Subcarriers of a resource block: 3GPP TS 38.211, 4.4.4.1."""
N_RB: Final = {
    15_000: {
        5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 35: 188, 40: 216, 45: 242, 50: 270,
    },
    30_000: {
        5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 35: 92, 40: 106, 45: 119, 50: 133,
        60: 162, 70: 189, 80: 217, 90: 245, 100: 273,
    },
    60_000: {
        10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 35: 44, 40: 51, 45: 58, 50: 65,
        60: 79, 70: 93, 80: 107, 90: 121, 100: 135,
    },
}  # fmt: skip
"""Maximum number of resource blocks by subcarrier spacing in Hz and channel bandwidth in MHz: 3GPP
TS 38.101-1, table 5.3.2-1. The rest of the band is guard band.
"""
_ROUNDING: Final = 1e-9
"""Distance of a share from whole blocks, in blocks, that counts as rounding."""


def block_count(bandwidth_hz: float, block_hz: float) -> int:
    """Return the number of blocks of a band: that of the table, or else what the band holds."""
    spacing, megahertz = block_hz / SUBCARRIERS, bandwidth_hz / 1e6
    listed = N_RB.get(round(spacing), {}) if spacing == round(spacing) else {}
    if megahertz in listed:
        return listed[round(megahertz)]
    return int(bandwidth_hz / block_hz * (1.0 + _ROUNDING))


@final
@dataclass(frozen=True)
class ResourceBlocks:
    """Resource blocks of a band: their width and their number."""

    block_hz: float
    """Width of a block in Hz."""
    count: int
    """Number of blocks that the devices share."""

    @property
    def bandwidth_hz(self) -> float:
        """Bandwidth of all blocks in Hz."""
        return self.count * self.block_hz

    def whole(self, share_hz: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
        """Return the number of blocks in each share, rounded to whole ones."""
        return np.rint(np.asarray(share_hz) / self.block_hz).astype(int)

    def is_whole(self, share_hz: Float[ndarray, " n"]) -> ndarray:
        """Return whether each share is a whole number of blocks, apart from rounding."""
        blocks = np.asarray(share_hz) / self.block_hz
        return np.asarray(np.abs(blocks - np.rint(blocks)) <= _ROUNDING * np.maximum(blocks, 1.0))


def transmit_power(
    blocks: Int[ndarray, "..."],
    max_power_w: Float[ndarray, "..."] | float,
    power_per_block_w: Float[ndarray, "..."] | float | None,
) -> Float[ndarray, "..."]:
    """Return the transmit power in W over a number of blocks.

    It is ``max_power_w``, or, with power control, ``power_per_block_w`` per block up to it. The
    arguments broadcast.
    """
    if power_per_block_w is None:
        return np.asarray(max_power_w, float)
    return np.minimum(max_power_w, blocks * np.asarray(power_per_block_w, float))


def block_rates(
    link: Link,
    block_hz: float,
    gain: Float[ndarray, " n"],
    count: int,
    *,
    noise_psd: float,
    max_power_w: Float[ndarray, " n"],
    power_per_block_w: Float[ndarray, " n"] | None = None,
) -> tuple[Float[ndarray, "n count"], Int[ndarray, "n count"]]:
    """Return the rate in bit/s with 1, 2, ... granted blocks, and the number of blocks used.

    Over u blocks of width W a device sends at the power p(u), so its SINR is ``p(u) g / (u W N0
    M)``, and its raw rate ``u W S(SINR)``. The SINR falls in u, or does not rise with power
    control, so with a staircase S the raw rate is a sawtooth. A device may leave granted blocks
    empty: its rate is the running maximum of the raw rate over u, and the smallest maximiser sets
    SINR and power.
    """
    used = np.arange(1, count + 1)
    power_w = transmit_power(
        used,
        max_power_w[:, None],
        None if power_per_block_w is None else power_per_block_w[:, None],
    )
    band_hz = used * block_hz
    noise_w = band_hz * (noise_psd * link.interference_margin)
    raw_bps = band_hz * link.efficiency_over_blocks(power_w * gain[:, None] / noise_w, used)
    rate_bps = np.maximum.accumulate(raw_bps, axis=1)
    # Smallest maximiser: the position of the last strict rise.
    rises = np.ones(raw_bps.shape, bool)
    rises[:, 1:] = rate_bps[:, 1:] > rate_bps[:, :-1]
    return rate_bps, np.maximum.accumulate(np.where(rises, used, 1), axis=1)
