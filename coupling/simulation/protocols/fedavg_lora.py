"""Federated averaging: the whole model on the devices, and only the LoRA matrices on the air."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.scenario.tables.base import ScenarioTable
from coupling.simulation.learning import TimedLearner
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.participation import DOWNLINK, UPLINK, Participation
from coupling.simulation.protocols.resources import RadioProtocolTable, Resources
from learner.settings import Codecs, LearnerSettings
from netsim.parameters import Bits, Count, NonNegative
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario
    from learner.fedavg_learner import FedAvgLearner


@final
class LocalOperations(ScenarioTable):
    """Operations of a device that trains by itself; they take time where its speed is given."""

    local_step: NonNegative = 0.0
    """Forward and backward of one minibatch through the whole model."""


@final
class FedAvgLoraTable(RadioProtocolTable):
    """Each scheduled device trains a copy of the LoRA matrices and its head, and sends the copy to
    be averaged.

    The server's matrices go to it first, over a downlink of its own where the cell has one, and
    without taking time otherwise. The heads stay on the devices, as in the split protocols, so
    nothing of them is sent. The average weighs as `learner.weights` says.
    """

    kind: Literal["fedavg_lora"]
    payload_bit: Bits | Literal["actual"]
    """Bits of the LoRA matrices, in each direction; ``actual``: 32 for each of the learner's LoRA
    parameters.
    """
    local_steps: Count = 1
    """Steps E that a device makes in a round, each on a minibatch of its own; they take the place
    of `learner.local_batches`.
    """
    operations: LocalOperations = LocalOperations()
    """Operations of a step."""

    @property
    @override
    def fixed_bits(self) -> float | None:
        return None if self.payload_bit == "actual" else self.payload_bit

    @override
    def check(self, scenario: "Scenario") -> None:
        cell, learner = scenario.cell, scenario.learner
        if (cell.downlink_bandwidth_hz is None) != (cell.server_tx_power_w is None):
            raise ValueError(
                "cell.downlink_bandwidth_hz and cell.server_tx_power_w need each other"
            )
        if learner is not None and learner.codec != Codecs():
            raise ValueError(
                "learner.codec is for a split step, which protocol.kind = 'fedavg_lora' has not"
            )
        if learner is not None and learner.local_batches != 1:
            raise ValueError(
                f"learner.local_batches = {learner.local_batches} is not 1: with protocol.kind = 'fedavg_lora' "
                "protocol.local_steps says how many minibatches a device takes"
            )
        if learner is not None and learner.lora.frozen:
            raise ValueError("protocol.kind = 'fedavg_lora' needs learner.lora.frozen = false")

    @override
    def minibatches(self, learner: LearnerSettings) -> int:
        return self.local_steps

    @override
    def learner(
        self, settings: LearnerSettings, device_count: int, streams: Streams
    ) -> "FedAvgLearner":
        from learner.fedavg_learner import build

        return build(settings, device_count, streams.generator, local_steps=self.local_steps)

    @override
    def create(
        self, env: simpy.Environment, scenario: "Scenario", learning: TimedLearner, streams: Streams
    ) -> Protocol:
        return FedAvgLora(env, scenario, self, learning, streams)


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
