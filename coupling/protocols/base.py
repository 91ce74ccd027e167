"""What a protocol is given at the start of a round, and what it must tell at its end."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

import simpy
from jaxtyping import Bool, Float
from numpy import ndarray

from netsim.scheduling import Allocation, RoundState


@final
@dataclass(frozen=True)
class Plan:
    """The decision for a round: what the policy was shown, and what it answered."""

    state: RoundState
    allocation: Allocation


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
    status: ndarray | str


@final
@dataclass(frozen=True)
class Outcome:
    """What became of a round; the arrays belong to the scheduled devices, in the allocation's order."""

    arrived: Bool[ndarray, " N"]
    """Whether the last uplink leg was delivered in time."""
    uplink_bits: Float[ndarray, " N"]
    """Bits offered to the uplink."""
    uplink_bps: Float[ndarray, " N"]
    """Uplink bits over uplink air time, bit/s."""
    air_s: Float[ndarray, " N"]
    """Time on air: the sum of the device's legs, in seconds."""
    energy_j: Float[ndarray, " N"]
    """Transmit energy of the device, lost bits included, in J."""
    transfers: Transfers


class Protocol(ABC):
    """The exchange between the scheduled devices and the server in one round, as SimPy processes."""

    @abstractmethod
    def exchange(self, env: simpy.Environment, plan: Plan) -> Generator[simpy.Event, Any, Outcome]:
        """Carry the scheduled devices (at least one) through a round; end at the server's barrier."""
