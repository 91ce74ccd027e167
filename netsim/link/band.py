"""FDMA band: the bandwidth shares of the scheduled devices, and the transfers over them."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import simpy
from jaxtyping import Float
from numpy import ndarray

from netsim.channel.channel import Channel
from netsim.clock import wait
from netsim.link.base import Link
from netsim.link.budget import LinkBudget
from netsim.link.planning import next_usable_block_s, plan_transmission
from netsim.link.resource_blocks import ResourceBlocks
from netsim.link.shannon_link import IDEAL
from netsim.link.transfer import ActiveTransfer, Attempt
from netsim.link.transmission import AbortReason, Outage

_ROUNDING: Final = 1e-9
"""Relative excess of the sum of shares over the band that counts as rounding."""


@final
@dataclass(frozen=True)
class BandOptions:
    """Properties of a band that uplink and downlink have in common."""

    bandwidth_hz: float
    noise_psd: float
    """Noise power spectral density in W/Hz."""
    outage: Outage | None = None
    """Channel blocks in which nothing is received; by default there is no outage."""
    reallocate: bool = False
    """Whether the other devices get the share that a device releases."""
    link: Link = IDEAL
    """Link model."""
    blocks: ResourceBlocks | None = None
    """Resource blocks of the band; None without. Of an uplink, every share is whole blocks."""
    patience_s: float = np.inf
    """Time without a bit after which a transfer is lost; for links that have an outage."""


@final
class Band:
    """FDMA band in which each scheduled device has a bandwidth share of its own for a round.

    Shares are orthogonal, so the end of a transfer follows from the gains of its own device. A
    transfer is one SimPy timeout, however many channel blocks it crosses, and one more for each
    change of its share. A round begins with ``begin_round``. The process of a device calls
    ``transmit`` for each leg. ``release`` gives the share of a device back after its last leg; with
    ``reallocate`` the other devices get it, in proportion to their shares.
    """

    def __init__(
        self,
        env: simpy.Environment,
        options: BandOptions,
        power_w: Callable[[int, float], float],
        *,
        even: bool = False,
    ) -> None:
        """Create a band; ``power_w`` gives the power of a device over its share in Hz.

        With ``even`` the power in an unused part of a share is not available in the rest.
        """
        self._even = even
        self._env = env
        self._options = options
        self._power_w = power_w
        self._share_hz: dict[int, float] = {}
        self._active: dict[int, ActiveTransfer] = {}
        self._channel: Channel | None = None
        self._deadline_s = float("inf")
        self._power_per_block_w: Mapping[int, float] = {}

    @staticmethod
    def uplink(
        env: simpy.Environment, options: BandOptions, tx_power_w: Float[ndarray, " K"]
    ) -> "Band":
        """Return an uplink: each device sends with its own power, ``b log2(1 + P g / (b N0))``."""
        return Band(env, options, lambda device, share_hz: float(tx_power_w[device]))

    @staticmethod
    def downlink(env: simpy.Environment, options: BandOptions, server_power_w: float) -> "Band":
        """Return a downlink: the server's power is even, ``b log2(1 + P_s g / (B N0))``."""
        return Band(
            env,
            options,
            lambda device, share_hz: server_power_w * share_hz / options.bandwidth_hz,
            even=True,
        )

    def begin_round(
        self,
        share_hz: Mapping[int, float],
        channel: Channel,
        deadline_s: float = float("inf"),
        *,
        power_per_block_w: Mapping[int, float] | None = None,
    ) -> None:
        """Begin a round with the shares of its devices in Hz, its channel and its deadline.

        ``power_per_block_w`` is the power of each device over one block under power control.

        Raises:
            ValueError: a share that is not positive, or shares that exceed the band.
        """
        assert not self._active, "a round begins when the transfers of the last one are over"
        if not all(share > 0 for share in share_hz.values()):
            raise ValueError(f"every share must be positive, not {min(share_hz.values())} Hz")
        total_hz = sum(share_hz.values())
        band_hz = self._options.bandwidth_hz
        if not total_hz <= band_hz * (1 + _ROUNDING):
            raise ValueError(f"shares of {total_hz} Hz exceed the band of {band_hz} Hz")
        self._share_hz = dict(share_hz)
        self._channel = channel
        self._deadline_s = deadline_s
        self._power_per_block_w = power_per_block_w or {}

    def transmit(
        self,
        device: int,
        bits: float,
        departure_s: float = float("inf"),
        airtime_s: float = float("inf"),
    ) -> Generator[simpy.Event, Any, list[Attempt]]:
        """Send a leg of a device and return its attempts; the last attempt decides.

        The leg is aborted at ``departure_s``, and when its bits have been on air for ``airtime_s``
        seconds at maximum power, the limit that the battery of the device sets. Both times are
        known beforehand, so neither is an event.
        """
        first = yield from self._attempt(device, bits, departure_s, airtime_s=airtime_s)
        attempts = [first]
        while self._retries(attempts):
            assert self._channel is not None, "transfers happen within a round"
            assert self._options.outage is not None, "only an outage loses bits"
            until_s = min(departure_s, self._deadline_s)
            retry_s = next_usable_block_s(
                self._channel,
                device,
                self._env.now,
                until_s=until_s,
                outage=self._options.outage,
            )
            if retry_s is None:
                break
            yield wait(self._env, retry_s - self._env.now)
            if retry_s >= until_s:
                break
            airtime_s -= attempts[-1].full_power_s
            attempt = yield from self._attempt(device, bits, departure_s, airtime_s=airtime_s)
            attempts.append(attempt)
        return attempts

    def release(self, device: int) -> None:
        """Release the share of a device: to the others with ``reallocate``, unused otherwise."""
        assert device not in self._active, "a device that sends keeps its share"
        released_hz = self._share_hz.pop(device)
        rest_hz = sum(self._share_hz.values())
        if not self._options.reallocate or not rest_hz:
            return
        for other in self._share_hz:
            self._share_hz[other] *= (rest_hz + released_hz) / rest_hz
        for transfer in self._active.values():
            transfer.reschedule()

    def _retries(self, attempts: list[Attempt]) -> bool:
        """Return whether another attempt follows."""
        outage = self._options.outage
        return (
            attempts[-1].status == "lost"
            and outage is not None
            and outage.action == "retry"
            and len(attempts) <= outage.retries
        )

    def _attempt(
        self, device: int, bits: float, departure_s: float, *, airtime_s: float
    ) -> Generator[simpy.Event, Any, Attempt]:
        """Send the bits once, and plan again at each change of the share."""
        assert device not in self._active, "a device sends one leg at a time"
        transfer = ActiveTransfer(
            self._env, device, bits, departure_s=departure_s, airtime_s=airtime_s
        )
        self._active[device] = transfer
        try:
            while True:
                self._replan(transfer)
                yield transfer.completion()
                changed = transfer.changed
                transfer.account()
                if not changed:
                    return transfer.attempt(transfer.transmission.status)
        finally:
            del self._active[device]

    def _replan(self, transfer: ActiveTransfer) -> None:
        """Plan the rest of a transfer with the present share of its device."""
        assert self._channel is not None, "transfers happen within a round"
        device = transfer.device
        share_hz = self._share_hz[device]
        link = LinkBudget(
            share_hz,
            self._power_w(device, share_hz),
            self._options.noise_psd,
            link=self._options.link,
            even=self._even,
            blocks=self._options.blocks,
            power_per_block_w=self._power_per_block_w.get(device),
            patience_s=self._options.patience_s,
        )
        departs_first = transfer.departure_s < self._deadline_s
        until_s: float = transfer.departure_s if departs_first else self._deadline_s
        reason: AbortReason = "aborted" if departs_first else "late"
        transmission = plan_transmission(
            link,
            self._channel,
            device,
            bits=transfer.bits - transfer.sent_bit,
            time_s=self._env.now,
            until_s=until_s,
            outage=self._options.outage,
            reason=reason,
        )
        transfer.share_hz = share_hz
        airtime_left_s = max(0.0, transfer.airtime_s - transfer.full_power_s)
        transfer.transmission = transmission.limited_to(airtime_left_s)
