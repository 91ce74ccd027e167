"""Planned transmission of a payload with a constant share, over the channel blocks of a device."""

from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.channel.channel import Channel
from netsim.errors import StalledError
from netsim.link.budget import LinkBudget
from netsim.link.transmission import AbortReason, Outage, Status, Transmission, truncated

_STALLED_BLOCKS: Final = 100_000
"""Number of consecutive blocks without a bit after which a transfer counts as endless."""


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
    use = None
    if link.is_ideal:
        rate_bps = link.scalar_rate(gain)
    else:
        constant = link.use(np.array([gain]))
        rate_bps, use = float(constant.rate_bps[0]), constant.columns()
    if rate_bps <= 0 or (outage is not None and gain < outage.min_gain):
        return Transmission((time_s,), (0.0,), "lost")
    end_s = time_s + bits / rate_bps
    if end_s <= until_s:
        return Transmission((time_s, end_s), (0.0, bits), "delivered", use)
    return Transmission((time_s, until_s), (0.0, rate_bps * (until_s - time_s)), reason, use)


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
    uses: list[ndarray] = []
    heard_s = time_s
    for ends_s, gain in channel.blocks_from(device, time_s):
        # Cumulative bits at the ends of the blocks of this chunk.
        begin_s = float(edges[-1][-1])
        before = float(sums[-1][-1])
        rate_bps, lost = _rates(link, gain, outage, uses)
        edge_s = np.concatenate([[begin_s], ends_s[: len(rate_bps)]])
        if link.patience_s < np.inf:
            patient_s, heard_s = _patient_until(link.patience_s, edge_s, rate_bps, heard_s=heard_s)
            if patient_s < until_s:
                until_s, reason = patient_s, "lost"
        sent = before + np.cumsum(rate_bps * np.diff(edge_s))
        # The payload ends within this chunk: in the first block whose sum reaches it.
        last = int(np.searchsorted(sent, bits))
        if last < len(sent):
            base = float(sent[last - 1]) if last else before
            end_s = float(edge_s[last] + (bits - base) / rate_bps[last])
            edges.append(np.append(edge_s[1 : last + 1], end_s))
            sums.append(np.append(sent[:last], bits))
            return truncated(edges, sums, "delivered", until_s=until_s, reason=reason, uses=uses)
        # The payload continues: keep the chunk, and stop at an outage or at the time limit.
        edges.append(edge_s[1:])
        sums.append(sent)
        if lost or edge_s[-1] >= until_s:
            status: Status = "lost" if lost else reason
            return truncated(edges, sums, status, until_s=until_s, reason=reason, uses=uses)
        silent_count = silent_count + len(sent) if sent[-1] <= before else 0
        _raise_if_stalled(device, silent_count, time_s)
    raise AssertionError("blocks_from never ends")


def _rates(
    link: LinkBudget,
    gain: Float[ndarray, " T"],
    outage: Outage | None,
    uses: list[ndarray],
) -> tuple[Float[ndarray, " usable"], bool]:
    """Return the rates of the blocks until the transfer is lost, and whether it is lost.

    The use of the share in these blocks is added to ``uses``, except under Shannon's (5).
    """
    unusable = np.zeros(0, bool) if outage is None else gain < outage.min_gain
    lost = False
    if outage is not None and outage.action != "skip" and unusable.any():
        gain = gain[: int(unusable.argmax())]
        lost = True
    if link.is_ideal:
        rate_bps = link.rate(gain)
    else:
        use = link.use(gain)
        rate_bps = use.rate_bps
        uses.append(use.columns())
    if outage is not None and outage.action == "skip":
        rate_bps = np.where(unusable, 0.0, rate_bps)
    return rate_bps, lost


def _patient_until(
    patience_s: float,
    edge_s: Float[ndarray, " edges"],
    rate_bps: Float[ndarray, " T"],
    *,
    heard_s: float,
) -> tuple[float, float]:
    """Return the time at which the patience ends, inf if in no block, and that of the last bit.

    ``heard_s`` is the time of the last bit before these blocks.
    """
    ends_s = edge_s[1:]
    last_s = np.maximum.accumulate(np.where(rate_bps > 0, ends_s, heard_s))
    over = np.flatnonzero(ends_s - last_s >= patience_s)
    patient_s = float(last_s[over[0]]) + patience_s if over.size else np.inf
    return patient_s, float(last_s[-1]) if len(last_s) else heard_s


def _raise_if_stalled(device: int, blocks: int, time_s: float) -> None:
    if blocks >= _STALLED_BLOCKS:
        raise StalledError(
            f"device {device} cannot send from {time_s:g} s on: no bit passes in {blocks} channel "
            "blocks; lower the outage's min_gain_db, raise the power, or set a deadline"
        )
