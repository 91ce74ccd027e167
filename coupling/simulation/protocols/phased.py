"""The split step with its three legs in time: embedding up, feature down, gradient up."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, final

import simpy
from typing_extensions import override

from coupling.scenario.tables.protocols import PhasedTable
from coupling.simulation.learning import TimedLearner
from coupling.simulation.payloads import PayloadModel
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.participation import DOWNLINK, UPLINK, Participation
from coupling.simulation.protocols.resources import Resources
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario


@final
class Phased(Protocol):
    """Device embeds, sends the embedding; server encodes, sends the feature; device steps, sends
    the gradient.

    A lost leg ends the device's round. So does a device that leaves or runs empty: what it does is
    aborted at that instant, or where it was computing or waiting, the leg that would have come
    next. The server encodes in order of arrival on a finite number of workers, and goes backward
    when all devices have ended.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: "Scenario",
        protocol: PhasedTable,
        learning: TimedLearner,
        legs: PayloadModel,
        streams: Streams,
    ) -> None:
        self._env, self._learning, self._legs = env, learning, legs
        self._resources = Resources(env, scenario, streams, protocol)
        operations = protocol.operations
        self._on_device = {"embed": operations.embed, "head": operations.head}
        self._on_server = {"encode": operations.encode, "backward": operations.backward}

    @override
    def payload(self, round_number: int) -> Payload:
        bits = self._legs.of(round_number)
        return Payload(bits.embedding + bits.gradient, bits.feature)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        resources = self._resources
        visits = resources.open(plan, self._on_device, self._on_server)
        yield self._env.all_of(
            [self._env.process(self._participate(visit, plan.state.round)) for visit in visits]
        )
        if resources.server is not None:
            yield self._env.all_of(
                [
                    self._env.process(resources.serve(visit, "backward"))
                    for visit in visits
                    if visit.arrived
                ]
            )
        return resources.outcome(visits)

    def _participate(
        self, visit: Participation, round_number: int
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one device through the round, as far as its bits arrive."""
        device, resources = visit.device, self._resources
        bits = self._legs.of(round_number)
        yield from resources.compute(visit, "embed")
        job = self._learning.embed(device, round_number)
        if (yield from resources.carry(visit, "embedding", UPLINK, bits.embedding[device])):
            yield from resources.serve(visit, "encode")
            self._learning.encode(job)
            if (yield from resources.carry(visit, "feature", DOWNLINK, bits.feature[device])):
                if (yield from resources.compute(visit, "head")):
                    self._learning.head_step(job)
                if (yield from resources.carry(visit, "gradient", UPLINK, bits.gradient[device])):
                    self._learning.backward(job)
                    visit.arrived = True
        resources.release(visit)
