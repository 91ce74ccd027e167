"""What a protocol is given at the start of a round, and what it must tell at its end."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import simpy
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.channel.channel import Channel
from netsim.scheduling import Allocation, RoundState


@final
@dataclass(frozen=True)
class Payload:
    """The bits that each device would send and receive in a round."""

    uplink_bits: Float[ndarray, " K"]
    downlink_bits: Float[ndarray, " K"] | None = None
    """None where the protocol has no downlink."""
    once: bool = False
    """Whether a device whose bits have arrived has nothing more to send; it is not offered to the
    policy again.
    """


@final
@dataclass(frozen=True)
class RoundPlan:
    """The decision for a round: what the policy was shown, what it answered, and what lies
    ahead.
    """

    state: RoundState
    allocation: Allocation
    ahead: Channel
    leave_s: Float[ndarray, " N"]
    """When each scheduled device, in the allocation's order, becomes unavailable; inf if it never
    does.
    """
    charge_j: Float[ndarray, " N"]
    """What each one can spend before its battery is empty, in J; inf where it has none."""


@final
@dataclass(frozen=True)
class Transfers:
    """The transfers of a round, one entry each: the columns of the ``transfers`` table."""

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
    """What the device spent on sending or receiving it."""
    status: ndarray | str


@final
@dataclass(frozen=True)
class Outcome:
    """What became of a round; the arrays belong to the scheduled devices, in the allocation's
    order.
    """

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
    """Energy that it spent on receiving; None where the protocol has no downlink."""
    compute_j: Float[ndarray, " N"] | None = None
    """Energy that it spent on its own steps; None where the protocol has none."""
    compute_s: Float[ndarray, " N"] | None = None
    """Service times of the device's steps, its own and the server's; None where the protocol has
    none.
    """
    wait_s: Float[ndarray, " N"] | None = None
    """Time in the server's queue; None where the protocol has none."""

    @staticmethod
    def empty() -> "Outcome":
        """Return the outcome of a round in which nobody was scheduled."""
        none = np.empty(0)
        transfers = Transfers(np.empty(0, int), "", "", none, none, 0.0, none, none, none, none, "")
        return Outcome(np.empty(0, bool), none, none, none, none, transfers)

    @property
    def energy_j(self) -> Float[ndarray, " N"]:
        """All that the device spent in the round, in J."""
        parts = (self.transmit_j, self.receive_j, self.compute_j)
        return np.sum([part for part in parts if part is not None], axis=0)


class Protocol(ABC):
    """The exchange between the scheduled devices and the server in one round, as SimPy
    processes.
    """

    @abstractmethod
    def payload(self, round_number: int) -> Payload:
        """Return what each of the K devices would send and receive in a round, before anything is
        computed.
        """

    @abstractmethod
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        """Carry the scheduled devices (at least one) through a round; end at the server's
        barrier.
        """

    def barrier(
        self, round_number: int, times_arrived: Int[ndarray, " K"]
    ) -> Generator[simpy.Event, Any, None]:
        """Let the server do what it does once in every round, by default nothing that takes time.

        ``times_arrived`` counts each device's rounds in which its last uplink leg was delivered,
        this one included.
        """
        return
        yield
