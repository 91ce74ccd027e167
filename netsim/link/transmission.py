"""Transmission of a payload: the bits sent over time, and its end; the outage model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from pydantic import Field
from pydantic.dataclasses import dataclass as model

from netsim.parameters import CONFIG, Decibel

Status = Literal["delivered", "lost", "late", "aborted"]
"""End of a transfer: ``lost`` in an outage of the gain or of the link, ``late`` at the deadline,
``aborted`` when the device departed or its battery was empty.
"""
AbortReason = Literal["late", "aborted", "lost"]
"""Status of a transfer that is cut at a time limit."""


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
class Transmission:
    """Cumulative bits of a transmission, linear between edges; it stops at the last edge."""

    edge_s: Sequence[float] | Float[ndarray, " edges"]
    sent_bit: Sequence[float] | Float[ndarray, " edges"]
    """Bits sent since the first edge, at each edge."""
    status: Status
    use: Float[ndarray, "4 _"] | None = None
    """``LinkUse.columns`` between the edges; further ones do not count. None under Shannon (5)."""

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
        on_air_s = np.diff(np.minimum(self.edge_s, time_s))
        return float(on_air_s[np.diff(self.sent_bit) > 0].sum())

    def use_until(self, time_s: float) -> Float[ndarray, "4"]:
        """Return the integrals over the air time until ``time_s`` of the rows of ``use``."""
        if self.use is None:
            return np.zeros(4)
        on_air_s = self._on_air_s(np.minimum(self.edge_s, time_s))
        return np.asarray((self.use[:, : len(on_air_s)] * on_air_s).sum(axis=1))

    def limited_to(self, full_power_s: float) -> "Transmission":
        """Return the transmission aborted after an air time at maximum power in seconds.

        Air time at less power counts in proportion.
        """
        if full_power_s == np.inf:
            return self
        edge_s = np.asarray(self.edge_s)
        sent_bit = np.asarray(self.sent_bit)
        power_share = np.ones(len(edge_s) - 1) if self.use is None else self.use[1]
        spent_s = self._on_air_s(edge_s) * power_share[: len(edge_s) - 1]
        spent_s = np.concatenate([[0.0], np.cumsum(spent_s)])
        if spent_s[-1] <= full_power_s:
            return self
        # Between two edges without bits nothing is spent. If all is spent there, the transmission
        # stops at the first of the two.
        last = max(1, int(np.searchsorted(spent_s, full_power_s)))
        left_s = full_power_s - spent_s[last - 1]
        stop_s = edge_s[last - 1] + (left_s / power_share[last - 1] if left_s else 0.0)
        return truncated(
            [edge_s],
            [sent_bit],
            self.status,
            until_s=float(stop_s),
            reason="aborted",
            uses=[] if self.use is None else [self.use],
        )

    def _on_air_s(self, edge_s: ArrayLike) -> Float[ndarray, " intervals"]:
        """Return the duration of each interval with bits between moved edges, 0 of the others."""
        return np.asarray(np.diff(edge_s) * (np.diff(self.sent_bit) > 0))


def truncated(
    edges: Sequence[ndarray],
    sums: Sequence[ndarray],
    status: Status,
    *,
    until_s: float,
    reason: AbortReason,
    uses: Sequence[ndarray] = (),
) -> Transmission:
    """Return the transmission, cut with ``reason`` at ``until_s`` if that comes first."""
    edge_s, sent_bit = np.concatenate(edges), np.concatenate(sums)
    use = np.concatenate(uses, axis=1) if uses else None
    if edge_s[-1] <= until_s:
        return Transmission(edge_s, sent_bit, status, use)
    kept = int(np.searchsorted(edge_s, until_s))
    last_bit = np.interp(until_s, edge_s, sent_bit)
    return Transmission(
        np.append(edge_s[:kept], until_s), np.append(sent_bit[:kept], last_bit), reason, use
    )
