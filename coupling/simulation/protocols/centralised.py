"""Centralised training: every device uploads its data once, and the server learns from what is
there.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import simpy
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from coupling.scenario.tables.base import ScenarioTable
from coupling.simulation.learning import TimedLearner
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.participation import UPLINK, Participation
from coupling.simulation.protocols.resources import RadioProtocolTable, Resources
from learner.settings import Codecs, LearnerSettings
from netsim.clock import wait
from netsim.parameters import Bits, NonNegative
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario
    from learner.centralised import CentralisedLearner


@final
class ServerOperations(ScenarioTable):
    """Operations of a server that trains by itself; they take time where its speed is given."""

    step: NonNegative = 0.0
    """Forward and backward of the round's minibatch through the whole model."""


@final
class CentralisedTable(RadioProtocolTable):
    """Each device uploads its share of the data once; the server trains LoRA and one head on what
    has arrived.

    Offered to the policy are the devices whose data is not there yet. A share is sent in one
    transfer; where that is lost, all of it is sent again the next time. At the end of each round
    the server makes one step on a minibatch out of all the data that it has. When everything has
    arrived, rounds have no transfers.
    """

    kind: Literal["centralised"]
    payload_bit: Bits | Literal["actual"]
    """Bits of a device's share of the data; ``actual``: its tokens in the smallest of 8, 16 or 32
    bits that numbers them, or its image files as they are, and its labels.
    """
    operations: ServerOperations = ServerOperations()
    """Operations of the server."""

    @property
    @override
    def fixed_bits(self) -> float | None:
        return None if self.payload_bit == "actual" else self.payload_bit

    @override
    def check(self, scenario: "Scenario") -> None:
        learner = scenario.learner
        if learner is not None and learner.codec != Codecs():
            raise ValueError(
                "learner.codec is for a split step, which protocol.kind = 'centralised' has not"
            )
        if learner is not None and learner.local_batches != 1:
            raise ValueError(
                f"learner.local_batches = {learner.local_batches} is not 1: with protocol.kind = 'centralised' "
                "the server takes one minibatch in a round"
            )

    @override
    def minibatches(self, learner: LearnerSettings) -> int:
        return 0

    @override
    def learner(
        self, settings: LearnerSettings, device_count: int, streams: Streams
    ) -> "CentralisedLearner":
        from learner.centralised import build

        return build(settings, device_count, streams.generator)

    @override
    def create(
        self, env: simpy.Environment, scenario: "Scenario", learning: TimedLearner, streams: Streams
    ) -> Protocol:
        return Centralised(env, scenario, self, learning, streams)


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
