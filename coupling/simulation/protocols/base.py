"""Protocol interface: payload, exchange and outcome of one round."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import simpy
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from coupling.simulation.payloads import LegSizes
from netsim.channel.channel import Channel
from netsim.link.budget import LinkUse
from netsim.link.resource_blocks import ResourceBlocks
from netsim.scheduling import Allocation, RoundState


@final
@dataclass(frozen=True)
class Payload:
    """Bits that each device would send and receive in a round."""

    uplink_bits: Float[ndarray, " K"]
    downlink_bits: Float[ndarray, " K"] | None = None
    """None where the protocol has no downlink."""
    one_shot: bool = False
    """Whether a device is not offered to the policy any more once its bits have arrived."""


@final
@dataclass(frozen=True)
class RoundPlan:
    """Decision for a round: the state that the policy saw, its allocation, and the channel."""

    state: RoundState
    allocation: Allocation
    channel: Channel
    """Gains of the scheduled devices during the round."""
    departure_s: Float[ndarray, " N"]
    """Departure time of each scheduled device, in the allocation's order; inf for never."""
    charge_j: Float[ndarray, " N"]
    """Charge of each scheduled device's battery, in J; inf without a battery."""


@final
@dataclass(frozen=True)
class Transfers:
    """Transfers of a round, one entry each: the columns of the ``transfers`` table."""

    device: ndarray
    leg: ndarray | str
    direction: ndarray | str
    bits: ndarray
    bits_delivered: ndarray
    start_s: ndarray | float
    end_s: ndarray
    bandwidth_hz: ndarray
    rate_bps: ndarray
    """NaN where the transfer took no time."""
    energy_j: ndarray
    """Energy that the device spent on sending or receiving it, in J."""
    status: ndarray | str
    spectral_efficiency: Float[ndarray, " m"] | None = None
    """Bits per second and Hz of used bandwidth; NaN where nothing was on air."""
    modulation: Float[ndarray, " m"] | None = None
    """Mean modulation order in bits per symbol; None under a link without schemes."""
    retransmissions: Float[ndarray, " m"] | None = None
    """Mean retransmissions of a transport block; None under a link without schemes."""
    resource_blocks: Float[ndarray, " m"] | None = None
    """Mean number of resource blocks that are not left empty; None without blocks."""


def use_columns(
    use: LinkUse, blocks: ResourceBlocks | None, sends: Bool[ndarray, " m"]
) -> dict[str, Float[ndarray, " m"] | None]:
    """Return the columns of ``Transfers`` about the use of the shares; NaN where nothing is sent.

    ``sends`` is whether each transfer was on air.
    """
    scheme = use.scheme
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "spectral_efficiency": use.rate_bps / use.used_hz,
            "modulation": None if scheme is None else scheme.modulation,
            "retransmissions": None if scheme is None else scheme.retransmissions,
            "resource_blocks": None if blocks is None else use.used_hz / blocks.block_hz,
        }
    return {
        name: None if values is None else np.where(sends, values, np.nan)
        for name, values in columns.items()
    }


@final
@dataclass(frozen=True)
class Outcome:
    """Outcome of a round: arrays over the scheduled devices, in the allocation's order."""

    arrived: Bool[ndarray, " N"]
    """Whether the last uplink leg was delivered in time."""
    uplink_bits: Float[ndarray, " N"]
    """Bits offered to the uplink."""
    uplink_bps: Float[ndarray, " N"]
    """Uplink bits sent over uplink air time, bit/s; 0 where nothing was on air."""
    air_s: Float[ndarray, " N"]
    """Time on air: the sum of the device's legs, in seconds."""
    transmit_j: Float[ndarray, " N"]
    """Energy that the device spent on sending, lost bits included, in J."""
    transfers: Transfers
    receive_j: Float[ndarray, " N"] | None = None
    """Energy that it spent on receiving, in J; None where the protocol has no downlink."""
    compute_j: Float[ndarray, " N"] | None = None
    """Energy that it spent on its own steps, in J; None where the protocol has none."""
    compute_s: Float[ndarray, " N"] | None = None
    """Service times of its steps on the device and on the server; None without steps."""
    wait_s: Float[ndarray, " N"] | None = None
    """Time in the server's queue, in seconds; None where the protocol has none."""
    tx_power_w: Float[ndarray, " N"] | None = None
    """Mean transmit power while sending, in W; NaN where nothing was sent."""

    @staticmethod
    def empty() -> "Outcome":
        """Return the outcome of a round without scheduled devices."""
        none = np.empty(0)
        transfers = Transfers(
            device=np.empty(0, int),
            leg="",
            direction="",
            bits=none,
            bits_delivered=none,
            start_s=0.0,
            end_s=none,
            bandwidth_hz=none,
            rate_bps=none,
            energy_j=none,
            status="",
        )
        return Outcome(
            arrived=np.empty(0, bool),
            uplink_bits=none,
            uplink_bps=none,
            air_s=none,
            transmit_j=none,
            transfers=transfers,
        )

    @property
    def energy_j(self) -> Float[ndarray, " N"]:
        """Energy that each device spent in the round, in J."""
        parts = (self.transmit_j, self.receive_j, self.compute_j)
        return np.sum([part for part in parts if part is not None], axis=0)


class Protocol(ABC):
    """Exchange between the scheduled devices and the server in one round, as SimPy processes."""

    @abstractmethod
    def payload(self, round_number: int) -> Payload:
        """Return the bits that each of the K devices would send and receive in a round.

        Nothing is computed for it.
        """

    def leg_bits(self, round_number: int) -> LegSizes:
        """Return the bits of each leg per device, for reports; by default no leg is known."""
        return {}

    @abstractmethod
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        """Carry the scheduled devices (at least one) through a round, up to the barrier."""

    def end_round(
        self, round_number: int, times_arrived: Int[ndarray, " K"]
    ) -> Generator[simpy.Event, Any, None]:
        """Server-side work at the end of each round; none by default.

        ``times_arrived`` counts each device's rounds in which its last uplink leg was delivered,
        including this round.
        """
        return
        yield
