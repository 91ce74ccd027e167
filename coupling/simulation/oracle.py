"""Oracle policies: fitted to the gains of all rounds before the first one."""

from collections.abc import Iterator

from coupling.simulation.round_states import round_state
from coupling.simulation.simulation import Simulation
from netsim.scheduling import Policy, RoundState


def fit_oracle(policy: Policy, simulation: Simulation) -> Policy:
    """Return the policy of a run: an oracle without its options is fitted to the rounds ahead."""
    return policy.fit(_rounds(simulation)) if policy.unfitted() else policy


def _rounds(simulation: Simulation) -> Iterator[RoundState]:
    """Yield the states of all rounds with their true gains.

    ``Scenario.policy`` has made sure that the gains do not depend on simulated time.
    """
    for number in range(1, simulation.scenario.rounds + 1):
        snapshot = simulation.world.at(0.0, number)
        yield round_state(
            simulation.scenario,
            number,
            gain=snapshot.gain,
            payload=simulation.protocol.payload(number),
            tx_power_w=simulation.tx_power_w,
            virtual_queue_s=0.0,
            power_per_block_w=snapshot.power_per_block_w,
        )
