"""Builders: world, cell, protocol, learner and aggregator of a scenario."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, runtime_checkable
from typing import Protocol as Interface

import numpy as np
import simpy

from coupling.scenario.scenario import Scenario
from coupling.scenario.tables import DevicesTable
from coupling.scenario.tables.protocols import (
    AggregateTable,
    CentralisedTable,
    FedAvgLoraTable,
    PhasedLegBits,
    PhasedTable,
    ProtocolTable,
    RadioProtocolTable,
)
from coupling.simulation.payloads import EncodedSizes, FixedSizes, PayloadModel
from coupling.simulation.protocols.aggregate import LEG, Aggregate
from coupling.simulation.protocols.base import Protocol
from coupling.simulation.protocols.centralised import UPLOAD, Centralised
from coupling.simulation.protocols.exchange_protocol import ExchangeProtocol
from coupling.simulation.protocols.fedavg_lora import fedavg_exchange
from coupling.simulation.protocols.split_step import SPLIT_STEP
from coupling.simulation.world import ScenarioWorld
from learner.aggregation.base import Aggregator
from learner.aggregation.mean import MeanAggregator
from learner.aggregation.registry import build_aggregator as aggregator_of
from learner.base import Learner, NoLearner
from learner.errors import LearnerInputError, require_docstrings
from learner.settings.plugins import Load
from netsim.cell import Cell
from netsim.errors import NetworkInputError
from netsim.plugin_import import import_module
from netsim.streams import Streams

if TYPE_CHECKING:
    from learner.data import Partition


@runtime_checkable
class PluginProtocolTable(Interface):
    """Hook of a protocol table outside the tree, which builds its own process."""

    def build(
        self,
        env: simpy.Environment,
        *,
        cell: Cell,
        devices: DevicesTable,
        streams: Streams,
        learner: Learner,
    ) -> Protocol:
        """Return the process of the protocol."""


def build_world(scenario: Scenario) -> ScenarioWorld:
    """Return the world that a scenario describes.

    Raises:
        ScenarioError: a file that it names cannot be used, or its devices do not fit into memory.
    """
    try:
        # Unphysical numbers overflow here; the first round with such numbers ends with an error.
        with np.errstate(all="ignore"):
            return ScenarioWorld(scenario)
    except NetworkInputError as error:
        raise scenario.problem(error.key, error.problem) from None
    except MemoryError:
        problem = f"{scenario.devices.count} devices do not fit into memory"
        raise scenario.problem("devices.count", problem) from None


def build_cell(env: simpy.Environment, scenario: Scenario) -> Cell:
    """Return the cell of a scenario at run time."""
    table, link = scenario.cell, scenario.channel.link
    protocol = scenario.protocol if isinstance(scenario.protocol, RadioProtocolTable) else None
    return Cell(
        env,
        position_m=table.position_m,
        noise_psd=table.noise_psd_w_per_hz,
        uplink_hz=table.uplink_hz,
        tx_power_w=np.broadcast_to(scenario.devices.max_power_w, scenario.devices.count),
        downlink_hz=table.downlink_hz,
        server_tx_power_w=table.server_tx_power_w,
        compute=table.compute,
        link=link,
        blocks=table.blocks,
        downlink_blocks=table.downlink_blocks,
        patience_s=np.inf if link.is_ideal else scenario.delay_budget_s,
        outage=protocol.outage if protocol else None,
        reallocate=protocol.reallocate if protocol else False,
    )


def build_protocol(
    env: simpy.Environment,
    scenario: Scenario,
    *,
    cell: Cell,
    learner: Learner,
    streams: Streams,
) -> Protocol:
    """Return the process of the protocol that the ``[protocol]`` table describes."""
    table = scenario.protocol
    devices = scenario.devices
    if isinstance(table, PluginProtocolTable):
        return table.build(env, cell=cell, devices=devices, streams=streams, learner=learner)
    exchange_protocol = partial(
        ExchangeProtocol, env, cell=cell, devices=devices, streams=streams, learner=learner
    )
    sizes = _payload_model(table, devices.count, learner, streams=streams)
    match table:
        case AggregateTable():
            return Aggregate(env, sizes, learner)
        case PhasedTable(deadline_s=deadline_s, operations=operations):
            steps = operations.model_dump()
            return exchange_protocol(SPLIT_STEP, sizes, operations=steps, deadline_s=deadline_s)
        case FedAvgLoraTable(deadline_s=deadline_s):
            steps = {"local_steps": table.local_steps * table.operations.local_step}
            exchange = fedavg_exchange(has_downlink=cell.has_downlink)
            return exchange_protocol(exchange, sizes, operations=steps, deadline_s=deadline_s)
        case CentralisedTable(deadline_s=deadline_s):
            upload = exchange_protocol(
                UPLOAD, sizes, operations={}, deadline_s=deadline_s, one_shot=True
            )
            step = table.operations.step
            return Centralised(env, upload, cell=cell, streams=streams, operations=step)
    raise AssertionError(f"{table.kind} is a built-in protocol without a process")


def _payload_model(
    table: ProtocolTable, count: int, learner: Learner, *, streams: Streams
) -> PayloadModel:
    """Return the payload sizes of a built-in protocol."""
    match table:
        case AggregateTable(payload_bit="actual") | PhasedTable(payload_bit="actual"):
            return EncodedSizes(count, learner, streams.subsets)
        case AggregateTable(payload_bit=bits):
            return FixedSizes(count, {LEG: float(bits)})
        case PhasedTable(payload_bit=PhasedLegBits() as bits):
            return FixedSizes(count, bits.model_dump())
        case FedAvgLoraTable(payload_bit="actual"):
            # The adapter has the same size for every device and round.
            return FixedSizes(count, learner.leg_bits(0, 1))
        case FedAvgLoraTable(payload_bit=bits):
            return FixedSizes(count, {"adapter": float(bits)})
        case CentralisedTable(payload_bit="actual"):
            shares = [learner.leg_bits(device, 1)["data"] for device in range(count)]
            return FixedSizes(count, {"data": np.array(shares, float)})
        case CentralisedTable(payload_bit=bits):
            return FixedSizes(count, {"data": float(bits)})
    raise AssertionError(f"{table.kind} is a built-in protocol without payload sizes")


def build_learner(
    scenario: Scenario, *, learning: bool = True, numerics: Mapping[str, str] | None = None
) -> Learner:
    """Return the learner of a scenario before its first round.

    Without ``learning``, or without a ``[learner]`` table, nothing is learned; the learner then
    only gives the bits of the legs, where the scenario does not. A plug-in protocol gets the
    learner of the split step. ``numerics`` are those of the learner that a resumed run began with.

    Raises:
        ScenarioError: the model or the data cannot be had.
    """
    if scenario.learner is None:
        return NoLearner()
    if not learning:
        has_sizes = scenario.protocol.fixed_bits is not None
        return NoLearner() if has_sizes else NoLearner(_trained_learner(scenario, numerics or {}))
    return _trained_learner(scenario, numerics or {})


def build_aggregator(scenario: Scenario) -> Aggregator:
    """Return the aggregator that the ``[learner]`` table asks for.

    Raises:
        ScenarioError: there is no such aggregator.
    """
    if scenario.learner is None:
        return MeanAggregator()
    with _input_errors(scenario):
        return aggregator_of(scenario.learner, load=_module_loader(scenario))


def build_partition(scenario: Scenario) -> "Partition | None":
    """Return the partition of the training samples; None without a ``[learner]`` table.

    Raises:
        ScenarioError: the data cannot be had.
    """
    if scenario.learner is None:
        return None
    from learner.data import Partition, load

    settings = scenario.learner
    rng = Streams(scenario.seed).generator
    with _input_errors(scenario):
        dataset, _, _ = load(settings.data, rng)
        return Partition(
            settings.data,
            dataset,
            device_count=scenario.devices.count,
            batch_size=settings.batch_size,
            local_batches=scenario.protocol.minibatches(settings),
            rng=rng,
            load=_module_loader(scenario),
        )


def _trained_learner(scenario: Scenario, numerics: Mapping[str, str]) -> Learner:
    with _input_errors(scenario):
        require_docstrings()
    from learner import centralised, fedavg_learner, split_learner

    assert scenario.learner is not None, "a learner is built from its table"
    settings = scenario.learner.decided(numerics)
    count = scenario.devices.count
    rng = Streams(scenario.seed).generator
    with _input_errors(scenario):
        load = _module_loader(scenario)
        match scenario.protocol:
            case CentralisedTable():
                return centralised.build(settings, count, rng, load=load)
            case FedAvgLoraTable(local_steps=steps):
                return fedavg_learner.build(settings, count, rng, local_steps=steps, load=load)
            case _:
                return split_learner.build(settings, count, rng, load=load)


def _module_loader(scenario: Scenario) -> Load:
    """Return the import of plug-in modules, which are also found beside the scenario file."""
    return partial(import_module, folders=scenario.plugin_folders)


@contextmanager
def _input_errors(scenario: Scenario) -> Iterator[None]:
    """Turn an error of the learner's input into the line about its key."""
    try:
        yield
    except LearnerInputError as error:
        problem = scenario.problem(error.key, error.problem)
        problem.unreached = error.key if error.unreached else None
        raise problem from None
