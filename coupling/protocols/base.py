"""What a protocol is given at the start of a round, and what it must tell at its end."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import simpy
from jaxtyping import Bool, Float
from numpy import ndarray

from coupling.learning import Learning
from coupling.settings.table import Table
from netsim.ahead import Ahead
from netsim.scheduling import Allocation, RoundState
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario import Scenario


@final
@dataclass(frozen=True)
class Payload:
    """The bits that each device would send and receive in a round."""

    uplink_bits: Float[ndarray, " K"]
    downlink_bits: Float[ndarray, " K"] | None = None
    """None where the protocol has no downlink."""


@final
@dataclass(frozen=True)
class Plan:
    """The decision for a round: what the policy was shown, what it answered, and the gains ahead."""

    state: RoundState
    allocation: Allocation
    ahead: Ahead


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
    """Uplink bits sent over uplink air time, bit/s; 0 where nothing was on air."""
    air_s: Float[ndarray, " N"]
    """Time on air: the sum of the device's legs, in seconds."""
    energy_j: Float[ndarray, " N"]
    """Transmit energy of the device, lost bits included, in J."""
    transfers: Transfers
    compute_s: Float[ndarray, " N"] | None = None
    """Service times of the device's steps, its own and the server's; None where the protocol has none."""
    wait_s: Float[ndarray, " N"] | None = None
    """Time in the server's queue; None where the protocol has none."""

    @staticmethod
    def nobody() -> "Outcome":
        """Return the outcome of a round in which nobody was scheduled."""
        none = np.empty(0)
        transfers = Transfers(np.empty(0, int), "", "", none, none, 0.0, none, none, none, "")
        return Outcome(np.empty(0, bool), none, none, none, none, transfers)


class Protocol(ABC):
    """The exchange between the scheduled devices and the server in one round, as SimPy processes."""

    @abstractmethod
    def payload(self, round_: int) -> Payload:
        """Return what each of the K devices would send and receive in a round, before anything is computed."""

    @abstractmethod
    def exchange(self, plan: Plan) -> Generator[simpy.Event, Any, Outcome]:
        """Carry the scheduled devices (at least one) through a round; end at the server's barrier."""


class ProtocolSettings(Table, ABC):
    """The ``[protocol]`` table of one protocol, which stands beside it."""

    @property
    @abstractmethod
    def fixed_bits(self) -> float | None:
        """Bits of a device in a round, all legs together; None where they are the learner's."""

    @property
    @abstractmethod
    def fixed_uplink_bits(self) -> float | None:
        """Those of them that the device sends; None where they are the learner's."""

    @abstractmethod
    def check(self, scenario: "Scenario") -> None:
        """Raise ValueError where the rest of a scenario lacks what the protocol needs."""

    @abstractmethod
    def create(
        self, env: simpy.Environment, scenario: "Scenario", learning: Learning, streams: Streams
    ) -> Protocol:
        """Return the protocol for a run of the scenario that this table belongs to."""
