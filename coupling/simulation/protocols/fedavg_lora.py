"""Federated averaging: the whole model on the devices, and only the LoRA matrices on the air."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.scenario.tables.protocols import FedAvgLoraTable
from coupling.simulation.learning import TimedLearner
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.participation import DOWNLINK, UPLINK, Participation
from coupling.simulation.protocols.resources import Resources
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario


@final
class FedAvgLora(Protocol):
    """The adapter comes down, the device makes its local steps, the adapter goes up; a lost leg
    ends its round.

    A device whose upload is lost has trained its head, and its adapter is not averaged. Averaging
    takes the server no time.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: "Scenario",
        protocol: FedAvgLoraTable,
        learning: TimedLearner,
        streams: Streams,
    ) -> None:
        self._env, self._learning = env, learning
        self._resources = Resources(env, scenario, streams, protocol)
        actual = protocol.payload_bit == "actual"
        self._bits = float(learning.adapter_bits() if actual else protocol.payload_bit)
        self._count = scenario.devices.count
        self._on_device = {"local_steps": protocol.local_steps * protocol.operations.local_step}

    @override
    def payload(self, round_number: int) -> Payload:
        # Broadcast, so that a million devices cost nothing here.
        bits = np.broadcast_to(self._bits, self._count)
        return Payload(bits, bits if self._resources.has_downlink else None)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        visits = self._resources.open(plan, self._on_device, {})
        yield self._env.all_of(
            [self._env.process(self._participate(visit, plan.state.round)) for visit in visits]
        )
        return self._resources.outcome(visits)

    def _participate(
        self, visit: Participation, round_number: int
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one device through the round, as far as its bits arrive."""
        resources = self._resources
        if not resources.has_downlink or (
            yield from resources.carry(visit, "adapter", DOWNLINK, self._bits)
        ):
            job = self._learning.embed(visit.device, round_number)
            if (yield from resources.compute(visit, "local_steps")):
                self._learning.encode(job)
                self._learning.head_step(job)
            if (yield from resources.carry(visit, "adapter", UPLINK, self._bits)):
                self._learning.backward(job)
                visit.arrived = True
        resources.release(visit)
