"""Rows of the transfers of an exchange, from the attempts of its legs."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from coupling.simulation.protocols.base import Transfers
from coupling.simulation.protocols.participation import Participation
from netsim.cell import UPLINK, Direction
from netsim.link.resource_blocks import ResourceBlocks
from netsim.link.transfer import Attempt


def transfers_of(
    participations: Sequence[Participation],
    power_w: Mapping[Direction, float],
    blocks: ResourceBlocks | None,
) -> Transfers:
    """Return the transfers of some participations, in their order.

    ``power_w`` is the maximum power that a device draws in each direction.
    """
    legs = [entry for participation in participations for entry in participation.legs]
    attempts = [attempt for _, _, attempt in legs]
    rate_bps = [np.nan if attempt.rate_bps is None else attempt.rate_bps for attempt in attempts]
    energy_j = [power_w[direction] * attempt.full_power_s for _, direction, attempt in legs]
    return Transfers(
        device=np.array([attempt.device for attempt in attempts]),
        leg=np.array([leg for leg, _, _ in legs], dtype=object),
        direction=np.array([direction for _, direction, _ in legs], dtype=object),
        bits=np.array([attempt.bits for attempt in attempts]),
        bits_delivered=np.floor([attempt.bits_delivered for attempt in attempts]),
        start_s=np.array([attempt.start_s for attempt in attempts]),
        end_s=np.array([attempt.end_s for attempt in attempts]),
        bandwidth_hz=np.array([attempt.bandwidth_hz for attempt in attempts]),
        rate_bps=np.array(rate_bps),
        energy_j=np.array(energy_j),
        status=np.array([attempt.status for attempt in attempts], dtype=object),
        **_use_columns(attempts, blocks),
    )


def mean_power_w(
    participations: Sequence[Participation], power_w: Mapping[Direction, float]
) -> Float[ndarray, " N"]:
    """Return the mean transmit power of each device while it sends in W; NaN if it does not."""
    uplinks = [participation.attempts(UPLINK) for participation in participations]
    on_air_s = np.array([sum(attempt.on_air_s for attempt in uplink) for uplink in uplinks])
    full_power_s = np.array([sum(attempt.full_power_s for attempt in uplink) for uplink in uplinks])
    share = np.full(len(uplinks), np.nan)
    np.divide(full_power_s, on_air_s, out=share, where=on_air_s > 0)
    return power_w[UPLINK] * share


def _use_columns(
    attempts: Sequence[Attempt], blocks: ResourceBlocks | None
) -> dict[str, Float[ndarray, " m"] | None]:
    """Return the columns about the use of the shares; NaN where nothing was on air."""
    uses = [attempt.use for attempt in attempts]
    used_hz = np.array(
        [
            attempt.bandwidth_hz if attempt.use is None else attempt.use.used_hz
            for attempt in attempts
        ]
    )
    bits = np.array([attempt.bits_delivered for attempt in attempts], float)
    on_air_s = np.array([attempt.on_air_s for attempt in attempts])
    efficiency = np.full(len(attempts), np.nan)
    np.divide(bits, on_air_s * used_hz, out=efficiency, where=on_air_s > 0)
    columns: dict[str, Float[ndarray, " m"] | None] = {"spectral_efficiency": efficiency}
    for name in ("modulation", "retransmissions"):
        values = np.array([np.nan if use is None else getattr(use, name) for use in uses])
        columns[name] = None if np.isnan(values).all() else values
    if blocks is not None:
        columns["resource_blocks"] = np.where(on_air_s > 0, used_hz / blocks.block_hz, np.nan)
    return columns
