"""Link budget of a device, and the use that it makes of its bandwidth share."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.link import shannon
from netsim.link.base import Adaptation, Link
from netsim.link.resource_blocks import ResourceBlocks, block_rates
from netsim.link.shannon_link import IDEAL


@final
@dataclass(frozen=True)
class LinkUse:
    """Use of bandwidth shares: rate, bandwidth, power and scheme, one entry each.

    Entries are the coherence blocks of a transfer, or devices.
    """

    rate_bps: Float[ndarray, " n"]
    """Rate in bit/s; 0 in an outage: no scheme, or less than the minimum SNR."""
    used_hz: Float[ndarray, " n"]
    """Bandwidth in Hz that is not left empty."""
    power_share: Float[ndarray, " n"]
    """Transmit power over the maximum of the sender."""
    scheme: Adaptation | None = None
    """Modulation and retransmissions; None under a link without schemes."""

    def columns(self) -> Float[ndarray, "4 n"]:
        """Return used bandwidth, power share, modulation and retransmissions; NaN for none.

        They are 0 in an outage, so that they can be weighted with the air time.
        """
        modulation = retransmissions = np.full(len(self.rate_bps), np.nan)
        if self.scheme is not None:
            modulation, retransmissions = self.scheme.modulation, self.scheme.retransmissions
        rows = np.stack([self.used_hz, self.power_share, modulation, retransmissions])
        return np.where(self.rate_bps > 0, rows, 0.0)


def link_use(
    link: Link,
    share_hz: Float[ndarray, " n"],
    gain: Float[ndarray, " n"],
    *,
    noise_psd: float,
    max_power_w: Float[ndarray, " n"],
    blocks: ResourceBlocks | None = None,
    power_per_block_w: Float[ndarray, " n"] | None = None,
) -> LinkUse:
    """Return the use of the shares of senders with a power of their own, as in an uplink.

    With ``blocks`` a share is a whole number of them, and ``power_per_block_w`` is the power over
    one block under power control (``block_rates``).
    """
    if blocks is None:
        return LinkUse(
            link.rate(share_hz, gain, noise_psd, tx_power_w=max_power_w),
            link.used_bandwidth(share_hz, gain, noise_psd, tx_power_w=max_power_w),
            np.ones(len(gain)),
        )
    granted = blocks.whole(share_hz)
    rates_bps, used_blocks = block_rates(
        link,
        blocks.block_hz,
        gain,
        int(granted.max(initial=1)),
        noise_psd=noise_psd,
        max_power_w=max_power_w,
        power_per_block_w=power_per_block_w,
    )
    entry = np.arange(len(gain))
    used = used_blocks[entry, granted - 1]
    power_share = np.ones(len(gain))
    if power_per_block_w is not None:
        power_share = np.minimum(1.0, used * power_per_block_w / max_power_w)
    used_hz = used * blocks.block_hz
    sinr = power_share * max_power_w * gain / (used_hz * (noise_psd * link.interference_margin))
    return LinkUse(rates_bps[entry, granted - 1], used_hz, power_share, link.adaptation(sinr, used))


@final
@dataclass(frozen=True)
class LinkBudget:
    """Link budget of a device: its bandwidth share, and the power and noise in it."""

    bandwidth_hz: float
    tx_power_w: float
    """Maximum transmit power; under even power that over the share."""
    noise_psd: float
    link: Link = IDEAL
    even: bool = False
    """Whether the power density is fixed: an unused part of the share leaves no power to the rest.
    """
    blocks: ResourceBlocks | None = None
    """Resource blocks of the band, of which the share is a whole number; None without."""
    power_per_block_w: float | None = None
    """Power over one block in W under power control; None without."""
    patience_s: float = np.inf
    """Time without a bit after which a transfer counts as lost: an outage of the link."""

    @property
    def is_ideal(self) -> bool:
        """Whether the rate is that of the paper, (5), over the whole share."""
        return self.link.is_ideal and (self.even or self.blocks is None)

    def use(self, gain: Float[ndarray, " T"]) -> LinkUse:
        """Return the use of the share at each gain."""
        everywhere = np.ones(len(gain))
        if self.even:
            # Each block of an even band has the same SINR.
            density = self.tx_power_w / self.bandwidth_hz
            sinr = density * gain / (self.noise_psd * self.link.interference_margin)
            number = 1.0 if self.blocks is None else self.bandwidth_hz / self.blocks.block_hz
            return LinkUse(
                self.link.rate_at_density(self.bandwidth_hz, gain, self.noise_psd, density),
                self.bandwidth_hz * everywhere,
                everywhere,
                self.link.adaptation(sinr, max(1, round(number))),
            )
        per_block_w = self.power_per_block_w
        return link_use(
            self.link,
            self.bandwidth_hz * everywhere,
            gain,
            noise_psd=self.noise_psd,
            max_power_w=self.tx_power_w * everywhere,
            blocks=self.blocks,
            power_per_block_w=None if per_block_w is None else per_block_w * everywhere,
        )

    def rate(self, gain: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return the rate in bit/s at each gain."""
        if self.is_ideal:
            return shannon.rate(self.bandwidth_hz, gain, self.noise_psd, tx_power_w=self.tx_power_w)
        return self.use(gain).rate_bps

    def scalar_rate(self, gain: float) -> float:
        """Return the rate in bit/s at one gain; NumPy takes ten times as long for one number."""
        if not self.is_ideal:
            return float(self.rate(np.array([gain]))[0])
        snr = self.tx_power_w * gain / self.noise_psd / self.bandwidth_hz
        return self.bandwidth_hz * math.log1p(snr) / shannon.LN2
