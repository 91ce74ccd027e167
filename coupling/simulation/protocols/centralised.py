"""Centralised training: every device uploads its data once, and the server learns from what is
there.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, final

import numpy as np
import simpy
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from coupling.scenario.tables.protocols import CentralisedTable
from coupling.simulation.learning import TimedLearner
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.participation import UPLINK, Participation
from coupling.simulation.protocols.resources import Resources
from netsim.clock import wait
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario


@final
class Centralised(Protocol):
    """Data goes up, once for each device; at the barrier the server makes its step, if it has any
    data.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: "Scenario",
        protocol: CentralisedTable,
        learning: TimedLearner,
        streams: Streams,
    ) -> None:
        self._env, self._learning, self._streams = env, learning, streams
        self._resources = Resources(env, scenario, streams, protocol)
        self._bits = self._share_bits(protocol, learning, scenario.devices.count)
        self._compute = scenario.cell.compute
        self._operations = np.array([protocol.operations.step])

    @override
    def payload(self, round_number: int) -> Payload:
        return Payload(self._bits, once=True)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        visits = self._resources.open(plan, {}, {})
        yield self._env.all_of([self._env.process(self._participate(visit)) for visit in visits])
        return self._resources.outcome(visits)

    @override
    def barrier(
        self, round_number: int, times_arrived: Int[ndarray, " K"]
    ) -> Generator[simpy.Event, Any, None]:
        if self._compute is None or not times_arrived.any():
            return
        server = np.zeros(1, int)
        service_s = self._compute.service_s(
            self._operations, server, round_number, "step", self._streams
        )
        yield wait(self._env, float(service_s[0]))

    def _participate(self, visit: Participation) -> Generator[simpy.Event, Any, None]:
        """Carry one device's data to the server, as far as its bits arrive."""
        if (yield from self._resources.carry(visit, "data", UPLINK, self._bits[visit.device])):
            self._learning.receive(visit.device)
            visit.arrived = True
        self._resources.release(visit)

    @staticmethod
    def _share_bits(
        protocol: CentralisedTable, learning: TimedLearner, count: int
    ) -> Float[ndarray, " K"]:
        if protocol.payload_bit == "actual":
            return np.array([learning.share_bits(device) for device in range(count)], float)
        # Broadcast, so that a million devices cost nothing here.
        return np.broadcast_to(float(protocol.payload_bit), count)
