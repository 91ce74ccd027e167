"""Builders: world, learner and protocol of a scenario."""

from typing import TYPE_CHECKING, runtime_checkable
from typing import Protocol as Interface

import simpy

from coupling.scenario.scenario import Scenario
from coupling.scenario.tables import CellTable, DevicesTable
from coupling.scenario.tables.protocols import (
    AggregateTable,
    CentralisedTable,
    FedAvgLoraTable,
    PhasedTable,
)
from coupling.simulation.learning import TimedLearner
from coupling.simulation.payloads import EncodedSizes, FixedBits, PayloadModel
from coupling.simulation.protocols.aggregate import Aggregate
from coupling.simulation.protocols.base import Protocol
from coupling.simulation.protocols.centralised import Centralised
from coupling.simulation.protocols.fedavg_lora import FedAvgLora
from coupling.simulation.protocols.phased import Phased
from coupling.simulation.world import ScenarioWorld
from netsim.errors import InputError
from netsim.streams import Streams

if TYPE_CHECKING:
    from learner.centralised import CentralisedLearner
    from learner.data import Partition
    from learner.split_learner import SplitLearner


@runtime_checkable
class PluginProtocolTable(Interface):
    """Hook of a protocol table outside the tree, which builds its own process."""

    def build(
        self,
        env: simpy.Environment,
        *,
        cell: CellTable,
        devices: DevicesTable,
        streams: Streams,
        learner: TimedLearner,
    ) -> Protocol:
        """Return the process of the protocol."""


def build_world(scenario: Scenario) -> ScenarioWorld:
    """Return the world that a scenario describes.

    Raises:
        ScenarioError: a file that it names cannot be used, or its devices do not fit into memory.
    """
    try:
        return ScenarioWorld(scenario)
    except InputError as error:
        raise scenario.problem(error.key, error.problem) from None
    except MemoryError:
        problem = f"{scenario.devices.count} devices do not fit into memory"
        raise scenario.problem("devices.count", problem) from None


def build_protocol(
    env: simpy.Environment, scenario: Scenario, learner: TimedLearner, streams: Streams
) -> Protocol:
    """Return the process of the protocol that the scenario's ``[protocol]`` table describes."""
    table, count = scenario.protocol, scenario.devices.count
    legs: PayloadModel
    match table:
        case AggregateTable(payload_bit="actual"):
            return Aggregate(env, learner, EncodedSizes(count, learner))
        case AggregateTable(payload_bit=bits):
            # The number is the sum of all legs; the size of each leg does not matter to the sum.
            return Aggregate(env, learner, FixedBits(count, float(bits), 0.0, 0.0))
        case PhasedTable(payload_bit=bits):
            legs = (
                EncodedSizes(count, learner)
                if bits == "actual"
                else FixedBits(count, bits.embedding, bits.feature, bits.gradient)
            )
            return Phased(env, scenario, table, learner, legs, streams)
        case FedAvgLoraTable():
            return FedAvgLora(env, scenario, table, learner, streams)
        case CentralisedTable():
            return Centralised(env, scenario, table, learner, streams)
        case _:
            assert isinstance(table, PluginProtocolTable), "checked when the plug-in was imported"
            return table.build(
                env, cell=scenario.cell, devices=scenario.devices, streams=streams, learner=learner
            )


def build_learner(scenario: Scenario) -> "SplitLearner | CentralisedLearner | None":
    """Return the learner of a scenario before its first round; None if it has no ``[learner]``
    table.

    A plug-in protocol gets the learner of the split step.

    Raises:
        ScenarioError: its model or data cannot be had.
    """
    if scenario.learner is None:
        return None
    from learner import centralised, split_learner
    from learner.errors import InputError as LearnerInputError

    settings, count = scenario.learner, scenario.devices.count
    rng = Streams(scenario.seed).generator
    try:
        match scenario.protocol:
            case CentralisedTable():
                return centralised.build(settings, count, rng)
            case FedAvgLoraTable(local_steps=local_steps):
                return split_learner.build(settings, count, rng, local_steps=local_steps)
            case _:
                return split_learner.build(settings, count, rng)
    except LearnerInputError as error:
        raise scenario.problem(error.key, error.problem) from None


def build_partition(scenario: Scenario) -> "Partition | None":
    """Return the partition of the training samples over the devices; None if the scenario has no
    ``[learner]`` table.

    Raises:
        ScenarioError: the data cannot be had.
    """
    if scenario.learner is None:
        return None
    from learner.data import Partition, load
    from learner.errors import InputError as LearnerInputError

    settings, streams = scenario.learner, Streams(scenario.seed).generator
    try:
        labelled, _, _ = load(settings.data, streams)
        return Partition(
            settings.data,
            labelled,
            device_count=scenario.devices.count,
            batch_size=settings.batch_size,
            local_batches=scenario.protocol.minibatches(settings),
            rng=streams,
        )
    except LearnerInputError as error:
        raise scenario.problem(error.key, error.problem) from None
