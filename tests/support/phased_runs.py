"""A phased scenario, and its rounds run by hand so that a test can look inside."""

from collections.abc import Mapping
from pathlib import Path

import simpy
import tomli_w
from coupling.simulation.learning import TimedLearner
from coupling.simulation.round_loop import Rounds

from coupling import Scenario
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.writer import TableWriter
from coupling.simulation.build import build_protocol
from coupling.simulation.world import ScenarioWorld
from support.command_line import NETWORK

PHASES = """
[cell]
downlink_bandwidth_hz = 5e6
server_tx_power_w = 20.0

[protocol]
kind = "phased"
payload_bit = { embedding = 40_000_000, feature = 3_000_000, gradient = 1_000_000 }
"""


def phased(folder: Path, learner: str = "", **changes: object) -> Scenario:
    """Return a phased scenario of four devices; ``changes`` are keys with ``__`` for the dots."""
    return laid_over(folder, PHASES, learner, changes)


def laid_over(folder: Path, tables: str, learner: str, changes: Mapping[str, object]) -> Scenario:
    """Return the network of four devices with some of its tables changed, and then some keys."""
    (folder / "network.toml").write_text(NETWORK + learner)
    (folder / "changed.toml").write_text('extends = "network.toml"\n' + tables)
    return Scenario.load(
        folder / "changed.toml", {key.replace("__", "."): value for key, value in changes.items()}
    )


def go(scenario: Scenario, folder: Path, learning: TimedLearner | None = None) -> Rounds:
    """Run all rounds into a folder, with a learner that the test keeps."""
    env = simpy.Environment()
    world, learning = ScenarioWorld(scenario), learning or TimedLearner()
    count, battery = scenario.devices.count, scenario.devices.battery
    state = RunState.initial(
        count, 0.0, battery.charge_j(count, world.streams) if battery else None
    )
    protocol = build_protocol(env, scenario, learning, world.streams)
    recorder = TableWriter(folder)
    (folder / "scenario.toml").write_text(tomli_w.dumps(scenario.tables()))
    rounds = Rounds(
        env,
        scenario,
        world,
        scenario.policy(),
        protocol,
        learning,
        recorder,
        state,
        lambda report: False,
    )
    rounds.run()
    recorder.flush()
    return rounds
