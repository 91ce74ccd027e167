"""What crosses the channel in a round, and when: one file a protocol."""

import simpy

from coupling.learning import Learning
from coupling.payloads import ActualBits, FixedBits, LegBits
from coupling.protocols.aggregate import Aggregate
from coupling.protocols.base import Outcome, Payload, Plan, Protocol, Transfers
from coupling.protocols.phased import Phased
from coupling.scenario import Scenario
from netsim.streams import Streams


def create(env: simpy.Environment, scenario: Scenario, learning: Learning, streams: Streams) -> Protocol:
    """Return the protocol of a scenario."""
    legs = _legs(scenario, learning)
    if scenario.protocol.kind == "phased":
        return Phased(env, scenario, learning, legs, streams)
    return Aggregate(env, learning, legs)


def _legs(scenario: Scenario, learning: Learning) -> LegBits:
    count, bits = scenario.devices.count, scenario.protocol.payload_bit
    if bits == "actual":
        return ActualBits(count, learning)
    if isinstance(bits, float | int):
        # One number is what all legs have together; which leg has how much does not matter to the sum.
        return FixedBits(count, float(bits), 0.0, 0.0)
    return FixedBits(count, bits.embedding, bits.feature, bits.gradient)


__all__ = ["Aggregate", "Outcome", "Payload", "Phased", "Plan", "Protocol", "Transfers", "create"]
