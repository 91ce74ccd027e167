"""What an oracle knows: the gains of all rounds before the first one."""

from collections.abc import Iterator

import numpy as np

from coupling.scenario.scenario import Scenario
from coupling.simulation.protocols import Protocol
from coupling.simulation.world import ScenarioWorld
from netsim.scheduling import Policy, RoundState


def fit_oracle(
    policy: Policy, scenario: Scenario, world: ScenarioWorld, protocol: Protocol
) -> Policy:
    """Return the policy of a run: an oracle without a number gets the best one for the rounds to
    come.
    """
    return policy.fit(_rounds(scenario, world, protocol)) if policy.unfitted() else policy


def _rounds(scenario: Scenario, world: ScenarioWorld, protocol: Protocol) -> Iterator[RoundState]:
    """Yield all rounds with their true gains; ``Scenario.policy`` has seen to it that times do not
    matter.
    """
    power_w = np.broadcast_to(scenario.devices.tx_power_w, scenario.devices.count)
    for number in range(1, scenario.rounds + 1):
        payload = protocol.payload(number)
        yield RoundState(
            round=number,
            gain=world.at(0.0, number).gain,
            bits=payload.uplink_bits,
            tx_power_w=power_w,
            bandwidth_hz=scenario.cell.bandwidth_hz,
            noise_psd=scenario.cell.noise_psd_w_per_hz,
            delay_budget_s=scenario.delay_budget_s,
            virtual_queue_s=0.0,
            downlink_bits=payload.downlink_bits,
            downlink_bandwidth_hz=scenario.cell.downlink_bandwidth_hz,
            server_tx_power_w=scenario.cell.server_tx_power_w,
        )
