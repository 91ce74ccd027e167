"""How a transfer proceeds from now on if nothing is decided anew: the bits sent over time, and its
end.
"""

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
from netsim.parameters import CONFIG, Decibel

Status = Literal["delivered", "lost", "late", "aborted"]
"""``lost`` in an outage, ``late`` at the deadline, ``aborted`` when the device left or its battery
was empty.
"""
AbortReason = Literal["late", "aborted"]
"""Why a transfer may not go on for ever."""

_STALLED_BLOCKS: Final = 100_000


@final
@model(frozen=True, kw_only=True, config=CONFIG)
class Outage:
    """What happens to a transfer in a channel block whose gain is too low to be received at all.

    ``drop`` loses it when such a block begins. ``retry`` loses it too, and sends all of its bits
    again from the next block on that is good enough. ``skip`` sends nothing in such a block and
    goes on after it. With ``coherence = "round"`` a bad block does not end, and the transfer is
    lost.
    """

    min_gain_db: Decibel
    """Least power gain that is received, in dB."""
    action: Literal["drop", "retry", "skip"]
    """Whether the transfer is lost, sent again, or waits."""
    retries: Annotated[int, Field(ge=1, strict=True)] = 3
    """Most times that ``retry`` sends a leg again."""

    @property
    def min_gain(self) -> float:
        """Least power gain that is received, linear."""
        return float(10.0 ** (self.min_gain_db / 10))


@final
@dataclass(frozen=True)
class LinkBudget:
    """A device's share of a band, and the power and noise in it."""

    bandwidth_hz: float
    tx_power_w: float
    noise_psd: float

    def rate(self, gain: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return the rate in bit/s at each gain."""
        return shannon.rate(self.bandwidth_hz, gain, self.noise_psd, self.tx_power_w)

    def steady_rate(self, gain: float) -> float:
        """Return the same at one gain; NumPy takes ten times as long for a single number."""
        snr = self.tx_power_w * gain / self.noise_psd / self.bandwidth_hz
        return self.bandwidth_hz * math.log1p(snr) / shannon.LN2


@final
@dataclass(frozen=True)
class Transmission:
    """The bits sent from ``edge_s[0]`` on: linear between the edges, of which the last is where it
    stops.
    """

    edge_s: Sequence[float] | Float[ndarray, " edges"]
    sent_bit: Sequence[float] | Float[ndarray, " edges"]
    status: Status

    @property
    def stop_s(self) -> float:
        """When the transfer stops, for the reason in ``status``."""
        return float(self.edge_s[-1])

    def bits_until(self, time_s: float) -> float:
        """Return the bits sent from the first edge until a time."""
        if time_s >= self.stop_s:
            return float(self.sent_bit[-1])
        return float(np.interp(time_s, self.edge_s, self.sent_bit))

    def airtime_until(self, time_s: float) -> float:
        """Return the time in seconds, from the first edge until ``time_s``, in which bits were
        sent.
        """
        if len(self.edge_s) <= 2:
            if not self.sent_bit[-1] > 0:
                return 0.0
            return max(0.0, min(time_s, self.stop_s) - float(self.edge_s[0]))
        edge_s = np.minimum(self.edge_s, time_s)
        return float(np.diff(edge_s)[np.diff(self.sent_bit) > 0].sum())

    def within(self, air_s: float) -> "Transmission":
        """Return the course of a device that can send for so many seconds only, and then aborts."""
        if air_s == np.inf:
            return self
        edge_s, sent_bit = np.asarray(self.edge_s), np.asarray(self.sent_bit)
        on_air_s = np.concatenate([[0.0], np.cumsum(np.diff(edge_s) * (np.diff(sent_bit) > 0))])
        if on_air_s[-1] <= air_s:
            return self
        # Where the time on air stands still nothing is sent; it is used up when the standstill
        # begins.
        last = max(1, int(np.searchsorted(on_air_s, air_s)))
        stop_s = edge_s[last - 1] + (air_s - on_air_s[last - 1])
        return _truncated(edge_s, sent_bit, self.status, float(stop_s), "aborted")


def plan_transmission(
    link: LinkBudget,
    ahead: Channel,
    device: int,
    bits: float,
    time_s: float,
    until_s: float,
    outage: Outage | None,
    cut: AbortReason = "late",
) -> Transmission:
    """Return how ``bits`` are sent from ``time_s`` on, at most until ``until_s``, where ``cut`` is
    its status.

    The rate changes at block boundaries only, so the end lies where the cumulative sum of the bits
    of the blocks reaches ``bits``; the bits left at a boundary are carried over exactly. A transfer
    that would begin at or after ``until_s``, because computing took so long, is over at once.

    Raises:
        StalledError: no end, and not a bit in 100,000 blocks.
    """
    if bits <= 0:
        return Transmission((time_s,), (0.0,), "delivered")
    if time_s >= until_s:
        return Transmission((time_s,), (0.0,), cut)
    gain = ahead.constant_gain(device)
    if gain is None:
        return _over_blocks(link, ahead, device, bits, time_s, until_s, outage, cut)
    rate_bps = link.steady_rate(gain)
    if rate_bps <= 0 or (outage is not None and gain < outage.min_gain):
        return Transmission((time_s,), (0.0,), "lost")
    end_s = time_s + bits / rate_bps
    if end_s <= until_s:
        return Transmission((time_s, end_s), (0.0, bits), "delivered")
    return Transmission((time_s, until_s), (0.0, rate_bps * (until_s - time_s)), cut)


def next_usable_block_s(
    ahead: Channel, device: int, time_s: float, deadline_s: float, outage: Outage
) -> float | None:
    """Return when the first block from now on begins that is good enough, or None if not before the
    deadline.
    """
    if ahead.constant_gain(device) is not None:
        return None
    begin_s, seen = time_s, 0
    for ends_s, gain in ahead.blocks_from(device, time_s):
        good = np.flatnonzero(gain >= outage.min_gain)
        if good.size:
            begin_s = float(ends_s[good[0] - 1]) if good[0] else begin_s
            return begin_s if begin_s < deadline_s else None
        begin_s, seen = float(ends_s[-1]), seen + len(gain)
        if begin_s >= deadline_s:
            return None
        _raise_if_stalled(device, seen, time_s)
    raise AssertionError("chunks never end")


def _over_blocks(
    link: LinkBudget,
    ahead: Channel,
    device: int,
    bits: float,
    time_s: float,
    until_s: float,
    outage: Outage | None,
    cut: AbortReason,
) -> Transmission:
    edges, sums = [np.array([time_s])], [np.zeros(1)]
    silent = 0
    for ends_s, gain in ahead.blocks_from(device, time_s):
        begin_s, before = float(edges[-1][-1]), float(sums[-1][-1])
        rate_bps, lost = _rates(link, gain, outage)
        edge_s = np.concatenate([[begin_s], ends_s[: len(rate_bps)]])
        sent = before + np.cumsum(rate_bps * np.diff(edge_s))
        last = int(np.searchsorted(sent, bits))
        if last < len(sent):
            base = float(sent[last - 1]) if last else before
            end_s = float(edge_s[last] + (bits - base) / rate_bps[last])
            edges.append(np.append(edge_s[1 : last + 1], end_s))
            sums.append(np.append(sent[:last], bits))
            return _truncated(
                np.concatenate(edges), np.concatenate(sums), "delivered", until_s, cut
            )
        edges.append(edge_s[1:])
        sums.append(sent)
        if lost or edge_s[-1] >= until_s:
            status: Status = "lost" if lost else cut
            return _truncated(np.concatenate(edges), np.concatenate(sums), status, until_s, cut)
        silent = silent + len(sent) if sent[-1] <= before else 0
        _raise_if_stalled(device, silent, time_s)
    raise AssertionError("chunks never end")


def _rates(
    link: LinkBudget, gain: Float[ndarray, " T"], outage: Outage | None
) -> tuple[Float[ndarray, " good"], bool]:
    """Return the rates in the blocks before the transfer is lost, and whether it is lost after
    them.
    """
    if outage is None:
        return link.rate(gain), False
    bad = gain < outage.min_gain
    if outage.action == "skip":
        return np.where(bad, 0.0, link.rate(gain)), False
    good = int(bad.argmax()) if bad.any() else len(gain)
    return link.rate(gain[:good]), good < len(gain)


def _truncated(
    edge_s: Float[ndarray, " edges"],
    sent_bit: Float[ndarray, " edges"],
    status: Status,
    until_s: float,
    cut: AbortReason,
) -> Transmission:
    """Return the course until a time, if that comes first."""
    if edge_s[-1] <= until_s:
        return Transmission(edge_s, sent_bit, status)
    kept = int(np.searchsorted(edge_s, until_s))
    at_end = np.interp(until_s, edge_s, sent_bit)
    return Transmission(np.append(edge_s[:kept], until_s), np.append(sent_bit[:kept], at_end), cut)


def _raise_if_stalled(device: int, blocks: int, time_s: float) -> None:
    if blocks >= _STALLED_BLOCKS:
        raise StalledError(
            f"device {device} cannot send from {time_s:g} s on: no bit passes in {blocks} channel blocks; "
            "lower the outage's min_gain_db, raise the power, or set a deadline"
        )
