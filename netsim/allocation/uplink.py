"""Uplink of a round under any link model: rates, bandwidth demands and minimum common delays."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.allocation import block_delay, truncated_delay
from netsim.link.base import Link
from netsim.link.resource_blocks import ResourceBlocks, block_rates
from netsim.link.shannon_link import ShannonLink

_DEVICES: Final = 4096
"""Devices per block of a table of rates, which bounds the memory of its computation."""


class Uplink(ABC):
    """Uplink of the offered devices in a round: what a policy asks about their link.

    ``chosen`` are positions among the offered devices; bandwidths are in Hz.
    """

    @abstractmethod
    def reachable(self) -> Bool[ndarray, " n"]:
        """Return whether each device can send at all."""

    @abstractmethod
    def floor(self) -> Float[ndarray, " n"]:
        """Return the minimum delay of each device in seconds; infinite out of reach."""

    @abstractmethod
    def rate(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> ndarray:
        """Return the rate in bit/s of the devices at ``chosen`` with given bandwidths."""

    @abstractmethod
    def bandwidth_for(self, delay_s: float) -> Float[ndarray, " n"]:
        """Return the bandwidth of each device that delivers its bits in ``delay_s``.

        Infinite if no bandwidth suffices.
        """

    @abstractmethod
    def min_delay(self, chosen: Int[ndarray, " N"]) -> tuple[float, Float[ndarray, " N"]]:
        """Return the minimum common delay of a set in seconds, and its bandwidths.

        Infinite if the set cannot be served.
        """


@final
@dataclass(frozen=True)
class ContinuousUplink(Uplink):
    """Uplink whose band is divided at will, under Shannon with or without limits."""

    link: ShannonLink
    bits: Float[ndarray, " n"]
    gain: Float[ndarray, " n"]
    tx_power_w: Float[ndarray, " n"]
    bandwidth_hz: float
    noise_psd: float

    @override
    def reachable(self) -> Bool[ndarray, " n"]:
        return self.gain > 0

    @override
    def floor(self) -> Float[ndarray, " n"]:
        return truncated_delay.floor(
            self.link, self.bits, self.gain, self.noise_psd, tx_power_w=self.tx_power_w
        )

    @override
    def rate(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> ndarray:
        return self.link.rate(
            share_hz, self.gain[chosen], self.noise_psd, tx_power_w=self.tx_power_w[chosen]
        )

    @override
    def bandwidth_for(self, delay_s: float) -> Float[ndarray, " n"]:
        return truncated_delay.bandwidth_for_delay(
            self.link,
            self.bits,
            delay_s,
            self.gain,
            noise_psd=self.noise_psd,
            tx_power_w=self.tx_power_w,
        )

    @override
    def min_delay(self, chosen: Int[ndarray, " N"]) -> tuple[float, Float[ndarray, " N"]]:
        return truncated_delay.min_delay(
            self.link,
            self.bits[chosen],
            self.gain[chosen],
            self.bandwidth_hz,
            noise_psd=self.noise_psd,
            tx_power_w=self.tx_power_w[chosen],
        )


@final
@dataclass(frozen=True)
class BlockUplink(Uplink):
    """Uplink whose band is divided into whole resource blocks, under any link model."""

    link: Link
    blocks: ResourceBlocks
    bits: Float[ndarray, " n"]
    gain: Float[ndarray, " n"]
    tx_power_w: Float[ndarray, " n"]
    """Maximum transmit power in W."""
    noise_psd: float
    power_per_block_w: Float[ndarray, " n"] | None = None
    """Power over one block in W under power control; None without."""

    @cached_property
    def rates_bps(self) -> Float[ndarray, "n count"]:
        """Rate in bit/s of each device with 1, 2, ... blocks."""
        rates = np.empty((len(self.gain), self.blocks.count))
        for start in range(0, len(rates), _DEVICES):
            part = slice(start, start + _DEVICES)
            per_block = self.power_per_block_w
            rates[part], _ = block_rates(
                self.link,
                self.blocks.block_hz,
                self.gain[part],
                self.blocks.count,
                noise_psd=self.noise_psd,
                max_power_w=self.tx_power_w[part],
                power_per_block_w=None if per_block is None else per_block[part],
            )
        return rates

    @cached_property
    def delays_s(self) -> Float[ndarray, "n count"]:
        """Delay in seconds of each device with 1, 2, ... blocks; infinite out of reach."""
        with np.errstate(divide="ignore", invalid="ignore"):
            delays_s = self.bits[:, None] / self.rates_bps
        delays_s[self.bits == 0] = 0.0
        return delays_s

    @override
    def reachable(self) -> Bool[ndarray, " n"]:
        # One block has the largest SINR.
        return self.rates_bps[:, 0] > 0

    @override
    def floor(self) -> Float[ndarray, " n"]:
        return self.delays_s[:, -1]

    @override
    def rate(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> ndarray:
        number = self.blocks.whole(share_hz)
        rates = self.rates_bps[chosen, np.maximum(number, 1) - 1]
        return np.where(number > 0, rates, 0.0)

    @override
    def bandwidth_for(self, delay_s: float) -> Float[ndarray, " n"]:
        needed = block_delay.blocks_for_delay(self.delays_s, delay_s) * self.blocks.block_hz
        return np.where(self.bits > 0, needed, 0.0)

    @override
    def min_delay(self, chosen: Int[ndarray, " N"]) -> tuple[float, Float[ndarray, " N"]]:
        share_hz = np.zeros(len(chosen))
        active = self.bits[chosen] > 0
        delay_s, given = block_delay.min_block_delay(
            self.delays_s[chosen[active]], self.blocks.count
        )
        share_hz[active] = given * self.blocks.block_hz
        return delay_s, share_hz
