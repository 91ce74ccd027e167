"""Phased scenarios, and runs of all their rounds with a learner of the test."""

from pathlib import Path

import tomli_w

from coupling import Scenario
from coupling.run_directory.writer import TableWriter
from coupling.simulation.simulation import Simulation
from learner.base import Learner
from netsim.scheduling import call_policy
from support.command_line import NETWORK, dotted

PHASES = """
[cell]
downlink_bandwidth_hz = 5e6
server_tx_power_w = 20.0

[protocol]
kind = "phased"
payload_bit = { embedding = 40_000_000, feature = 3_000_000, gradient = 1_000_000 }
"""


def phased(folder: Path, learner: str = "", **changes: object) -> Scenario:
    """Return a phased scenario of four devices; ``changes`` has keys with ``__`` for dots."""
    return network_with(folder, PHASES, learner, **changes)


def network_with(folder: Path, tables: str, learner: str = "", **changes: object) -> Scenario:
    """Return the network of four devices with changed tables and then changed keys."""
    (folder / "network.toml").write_text(NETWORK + learner)
    (folder / "changed.toml").write_text('extends = "network.toml"\n' + tables)
    return Scenario.load(folder / "changed.toml", dotted(changes))


def run_all_rounds(scenario: Scenario, folder: Path, learner: Learner | None = None) -> Simulation:
    """Run all rounds into a folder, with the learner of the test."""
    simulation = Simulation(scenario, learning=False, learner=learner)
    writer = TableWriter(folder)
    (folder / "scenario.toml").write_text(tomli_w.dumps(scenario.tables()))
    writer.write(simulation.initial_tables())
    policy = scenario.policy()
    while (state := simulation.observe()) is not None:
        record = simulation.step(call_policy(policy, state, "test"))
        writer.write(record.tables)
    writer.flush()
    return simulation
