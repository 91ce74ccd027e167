"""Planned transmission of a payload: the bits sent over time and the end, for a constant share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass as model

from netsim.channel.channel import Channel
from netsim.errors import StalledError
from netsim.link import shannon
from netsim.link.base import Link
from netsim.link.shannon_link import IDEAL
from netsim.parameters import CONFIG, Decibel

Status = Literal["delivered", "lost", "late", "aborted"]
"""End of a transfer: ``lost`` in an outage, ``late`` at the deadline, ``aborted`` when the device
departed or its battery was empty.
"""
AbortReason = Literal["late", "aborted"]
"""Status of a transfer that is cut at a time limit."""

_STALLED_BLOCKS: Final = 100_000
"""Number of consecutive blocks without a bit after which a transfer counts as endless."""


@final
@model(frozen=True, kw_only=True, config=CONFIG)
class Outage:
    """Outage model: a channel block whose gain is below a minimum carries no bits.

    ``drop`` loses the transfer at the beginning of such a block. ``retry`` loses it too, and sends
    all of its bits again from the next usable block on; where none comes before the deadline or the
    departure of the device, the device waits until then and keeps its share. ``skip`` sends nothing
    in such a block and continues after it. With ``coherence = "round"`` an unusable block does not
    end, and the transfer is lost.
    """

    min_gain_db: Decibel
    """Minimum power gain that is received, in dB."""
    action: Literal["drop", "retry", "skip"]
    """Reaction to an unusable block: lose the transfer, send it again, or wait."""
    retries: Annotated[int, Field(ge=1, le=2**53, strict=True)] = 3
    """Maximum number of retransmissions of a leg by ``retry``."""

    @property
    def min_gain(self) -> float:
        """Minimum power gain that is received, linear."""
        return float(10.0 ** (self.min_gain_db / 10))


@final
@dataclass(frozen=True)
class LinkBudget:
    """Link budget of a device: its bandwidth share, and the power and noise in it."""

    bandwidth_hz: float
    tx_power_w: float
    noise_psd: float
    link: Link = IDEAL
    even: bool = False
    """Whether the power density is fixed: an unused part of the share leaves no power to the rest.
    """

    def rate(self, gain: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return the rate in bit/s at each gain."""
        if self.link.is_ideal:
            return shannon.rate(self.bandwidth_hz, gain, self.noise_psd, tx_power_w=self.tx_power_w)
        if self.even:
            density = self.tx_power_w / self.bandwidth_hz
            return self.link.rate_at_density(self.bandwidth_hz, gain, self.noise_psd, density)
        return self.link.rate(self.bandwidth_hz, gain, self.noise_psd, tx_power_w=self.tx_power_w)

    def scalar_rate(self, gain: float) -> float:
        """Return the rate in bit/s at one gain; NumPy takes ten times as long for one number."""
        if not self.link.is_ideal:
            return float(self.rate(np.array([gain]))[0])
        snr = self.tx_power_w * gain / self.noise_psd / self.bandwidth_hz
        return self.bandwidth_hz * math.log1p(snr) / shannon.LN2


@final
@dataclass(frozen=True)
class Transmission:
    """Cumulative bits of a transmission, linear between edges; it stops at the last edge."""

    edge_s: Sequence[float] | Float[ndarray, " edges"]
    sent_bit: Sequence[float] | Float[ndarray, " edges"]
    """Bits sent since the first edge, at each edge."""
    status: Status

    @property
    def stop_s(self) -> float:
        """Time at which the transmission stops, for the reason in ``status``."""
        return float(self.edge_s[-1])

    def bits_until(self, time_s: float) -> float:
        """Return the bits sent from the first edge until a time."""
        if time_s >= self.stop_s:
            return float(self.sent_bit[-1])
        return float(np.interp(time_s, self.edge_s, self.sent_bit))

    def airtime_until(self, time_s: float) -> float:
        """Return the air time in seconds from the first edge until ``time_s``."""
        if len(self.edge_s) <= 2:
            if not self.sent_bit[-1] > 0:
                return 0.0
            return max(0.0, min(time_s, self.stop_s) - float(self.edge_s[0]))
        edge_s = np.minimum(self.edge_s, time_s)
        return float(np.diff(edge_s)[np.diff(self.sent_bit) > 0].sum())

    def limited_to(self, airtime_s: float) -> "Transmission":
        """Return the transmission aborted after an air time of ``airtime_s`` seconds."""
        if airtime_s == np.inf:
            return self
        edge_s = np.asarray(self.edge_s)
        sent_bit = np.asarray(self.sent_bit)
        on_air_s = np.concatenate([[0.0], np.cumsum(np.diff(edge_s) * (np.diff(sent_bit) > 0))])
        if on_air_s[-1] <= airtime_s:
            return self
        # Between two edges without bits the air time stands still. If it is used up there, the
        # transmission stops at the first of the two.
        last = max(1, int(np.searchsorted(on_air_s, airtime_s)))
        stop_s = edge_s[last - 1] + (airtime_s - on_air_s[last - 1])
        return _truncated(edge_s, sent_bit, self.status, until_s=float(stop_s), reason="aborted")


def plan_transmission(
    link: LinkBudget,
    channel: Channel,
    device: int,
    *,
    bits: float,
    time_s: float,
    until_s: float,
    outage: Outage | None,
    reason: AbortReason = "late",
) -> Transmission:
    """Return the transmission of ``bits`` from ``time_s`` on, cut with ``reason`` at ``until_s``.

    The rate changes at block boundaries only. The end lies where the cumulative sum of the bits of
    the blocks reaches ``bits``; the bits left at a boundary are carried over exactly. A
    transmission that would begin at or after ``until_s``, because computing took too long, ends at
    once.

    Raises:
        StalledError: no end, and not a bit in 100,000 blocks.
    """
    if bits <= 0:
        return Transmission((time_s,), (0.0,), "delivered")
    if time_s >= until_s:
        return Transmission((time_s,), (0.0,), reason)
    gain = channel.constant_gain(device)
    if gain is None:
        return _over_blocks(
            link,
            channel,
            device,
            bits=bits,
            time_s=time_s,
            until_s=until_s,
            outage=outage,
            reason=reason,
        )
    # One block for the whole round: the end is in closed form.
    rate_bps = link.scalar_rate(gain)
    if rate_bps <= 0 or (outage is not None and gain < outage.min_gain):
        return Transmission((time_s,), (0.0,), "lost")
    end_s = time_s + bits / rate_bps
    if end_s <= until_s:
        return Transmission((time_s, end_s), (0.0, bits), "delivered")
    return Transmission((time_s, until_s), (0.0, rate_bps * (until_s - time_s)), reason)


def next_usable_block_s(
    channel: Channel, device: int, time_s: float, *, until_s: float, outage: Outage
) -> float | None:
    """Return the beginning of the next usable block, at most ``until_s``; None if no other comes.

    A device knows at once that no other block comes in its round. That no usable one comes before
    ``until_s`` it knows then.

    Raises:
        StalledError: ``until_s`` is infinite, and 100,000 blocks are unusable.
    """
    if channel.constant_gain(device) is not None:
        return None
    begin_s = time_s
    block_count = 0
    for ends_s, gain in channel.blocks_from(device, time_s):
        usable = np.flatnonzero(gain >= outage.min_gain)
        if usable.size:
            begin_s = float(ends_s[usable[0] - 1]) if usable[0] else begin_s
            return min(begin_s, until_s)
        begin_s = float(ends_s[-1])
        block_count += len(gain)
        if begin_s >= until_s:
            return until_s
        _raise_if_stalled(device, block_count, time_s)
    raise AssertionError("blocks_from never ends")


def _over_blocks(
    link: LinkBudget,
    channel: Channel,
    device: int,
    *,
    bits: float,
    time_s: float,
    until_s: float,
    outage: Outage | None,
    reason: AbortReason,
) -> Transmission:
    """Return the transmission over the channel blocks of a device, chunk by chunk."""
    edges = [np.array([time_s])]
    sums = [np.zeros(1)]
    silent_count = 0
    for ends_s, gain in channel.blocks_from(device, time_s):
        # Cumulative bits at the ends of the blocks of this chunk.
        begin_s = float(edges[-1][-1])
        before = float(sums[-1][-1])
        rate_bps, lost = _rates(link, gain, outage)
        edge_s = np.concatenate([[begin_s], ends_s[: len(rate_bps)]])
        sent = before + np.cumsum(rate_bps * np.diff(edge_s))
        # The payload ends within this chunk: in the first block whose sum reaches it.
        last = int(np.searchsorted(sent, bits))
        if last < len(sent):
            base = float(sent[last - 1]) if last else before
            end_s = float(edge_s[last] + (bits - base) / rate_bps[last])
            edges.append(np.append(edge_s[1 : last + 1], end_s))
            sums.append(np.append(sent[:last], bits))
            return _truncated(
                np.concatenate(edges),
                np.concatenate(sums),
                "delivered",
                until_s=until_s,
                reason=reason,
            )
        # The payload continues: keep the chunk, and stop at an outage or at the time limit.
        edges.append(edge_s[1:])
        sums.append(sent)
        if lost or edge_s[-1] >= until_s:
            status: Status = "lost" if lost else reason
            return _truncated(
                np.concatenate(edges),
                np.concatenate(sums),
                status,
                until_s=until_s,
                reason=reason,
            )
        silent_count = silent_count + len(sent) if sent[-1] <= before else 0
        _raise_if_stalled(device, silent_count, time_s)
    raise AssertionError("blocks_from never ends")


def _rates(
    link: LinkBudget, gain: Float[ndarray, " T"], outage: Outage | None
) -> tuple[Float[ndarray, " usable"], bool]:
    """Return the rates of the blocks until the transfer is lost, and whether it is lost."""
    if outage is None:
        return link.rate(gain), False
    unusable = gain < outage.min_gain
    if outage.action == "skip":
        return np.where(unusable, 0.0, link.rate(gain)), False
    usable_count = int(unusable.argmax()) if unusable.any() else len(gain)
    return link.rate(gain[:usable_count]), usable_count < len(gain)


def _truncated(
    edge_s: Float[ndarray, " edges"],
    sent_bit: Float[ndarray, " edges"],
    status: Status,
    *,
    until_s: float,
    reason: AbortReason,
) -> Transmission:
    """Return the transmission, cut with ``reason`` at ``until_s`` if that comes first."""
    if edge_s[-1] <= until_s:
        return Transmission(edge_s, sent_bit, status)
    kept = int(np.searchsorted(edge_s, until_s))
    last_bit = np.interp(until_s, edge_s, sent_bit)
    return Transmission(
        np.append(edge_s[:kept], until_s), np.append(sent_bit[:kept], last_bit), reason
    )


def _raise_if_stalled(device: int, blocks: int, time_s: float) -> None:
    if blocks >= _STALLED_BLOCKS:
        raise StalledError(
            f"device {device} cannot send from {time_s:g} s on: no bit passes in {blocks} channel "
            "blocks; lower the outage's min_gain_db, raise the power, or set a deadline"
        )
