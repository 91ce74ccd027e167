"""A run: build the world and the learner of a scenario, go through the rounds, leave a run
directory.
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

import simpy
import tomli_w

from coupling.run_directory import atomic, checkpoint
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.lock import locked
from coupling.run_directory.provenance import Provenance
from coupling.run_directory.session import RunSession
from coupling.scenario.errors import Interrupted, RunError, ScenarioError, os_error_text
from coupling.scenario.scenario import Scenario
from coupling.simulation.build import build_learner, build_protocol, build_world
from coupling.simulation.learning import TimedLearner
from coupling.simulation.oracle import fit_oracle
from coupling.simulation.round_loop import RoundReport, Rounds
from coupling.simulation.world import ScenarioWorld
from netsim.streams import Streams

OnRound = Callable[[RoundReport], None]
OnSave = Callable[[Path], None]
Stop = Callable[[], bool]
Tell = Callable[[str], None]


def _nothing(_: object) -> None:
    """Do nothing about it."""


def _never() -> bool:
    """Let a run go on to its last round."""
    return False


SCENARIO: Final = "scenario.toml"


def run(
    scenario: Scenario,
    out: str | Path,
    *,
    learning: bool = True,
    on_round: OnRound = _nothing,
    on_save: OnSave = _nothing,
    stop: Stop = _never,
    tell: Tell = _nothing,
) -> Path:
    """Run a scenario and return its run directory ``out``, which must be new or empty.

    With ``learning`` false, or without a ``[learner]`` table, the network runs alone, and PyTorch
    is not imported unless the bits on the air are those of the learner's payloads. ``on_round`` is
    told of every round, ``on_save`` of the directory whenever its state was saved, and the run ends
    after a round at which ``stop`` is true. ``tell`` is told how the training samples are shared
    out.

    Raises: ScenarioError: something that the scenario names cannot be had, or ``out`` cannot be
        used; nothing was
            written.
        RunError: the run failed; the tables up to the round that it names are in ``out``.
        Interrupted: ``stop`` was true; the state is saved.
    """
    folder = Path(out)
    check_free(folder)
    world = build_world(scenario)
    steps = _steps(scenario, learning=learning)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(f"--out {folder}: cannot be written: {os_error_text(error)}") from None
    with locked(folder):
        current = RunSession(
            folder, scenario, steps, _initial(scenario), Provenance.begin(scenario, steps), on_save
        )
        with current.kept():
            # Last of the two: a directory with a scenario is one that can be resumed.
            current.note("running")
            atomic.write(folder / SCENARIO, tomli_w.dumps(scenario.tables()))
            if steps.partition is not None:
                tell(steps.partition.summary())
            _go(current, world, on_round, stop)
    return folder


def resume(
    folder: str | Path,
    *,
    on_round: OnRound = _nothing,
    on_save: OnSave = _nothing,
    stop: Stop = _never,
    tell: Tell = _nothing,
) -> Path:
    """Continue a run from its checkpoint; the tables become those of a run that was never stopped.

    A run that is finished is left as it is. One that was stopped before its first checkpoint begins
    again; ``tell`` is told of that, and of software that is no longer what the run began with.

    Raises: ScenarioError: no run directory, or the model or data can no longer be had. RunError: a
        checkpoint that is damaged or of another scenario, or a part that is gone; and as ``run``.
        Interrupted: as ``run``.
    """
    folder = Path(folder)
    scenario = Scenario.load(folder / SCENARIO)
    with locked(folder):
        provenance = Provenance.read(folder)
        if provenance.facts["scenario_sha256"] != scenario.digest():
            raise RunError(f"{folder / SCENARIO}: is not the scenario that this run began with")
        if provenance.facts["state"] == "finished":
            return folder
        if line := provenance.other_software():
            tell(f"{folder}: {line}")
        found = checkpoint.load(folder, scenario.digest(), _initial(scenario))
        if found is None:
            tell(f"{folder}: has no checkpoint; the run begins again")
        world = build_world(scenario)
        steps = _steps(scenario, learning=provenance.facts["learning"])
        # The number of threads changes the order of sums, and with it the last bits.
        steps.use_threads(provenance.facts["torch_threads"])
        state = _initial(scenario)
        if found is not None:
            state, learner_part = found
            steps.load(learner_part)
        current = RunSession(folder, scenario, steps, state, provenance.again(steps), on_save)
        with current.kept():
            _go(current, world, on_round, stop)
    return folder


def check_free(folder: Path) -> None:
    """Make sure that a run may be written into ``folder``.

    Raises:
        ScenarioError: it is a file, not empty, or out of reach.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise ScenarioError(f"--out {folder}: is not empty; name a new directory")
        if folder.exists() and not folder.is_dir():
            raise ScenarioError(f"--out {folder}: is a file; name a new directory")
    except OSError as error:
        raise ScenarioError(f"--out {folder}: cannot be used: {os_error_text(error)}") from None


def _go(current: RunSession, world: ScenarioWorld, on_round: OnRound, stop: Stop) -> None:
    """Run the rounds that are left."""
    scenario, steps, state = current.scenario, current.learning, current.state
    recorder = current.open_tables()

    def after(report: RoundReport) -> bool:
        on_round(report)
        ends = stop()
        every = scenario.trace.checkpoint_every
        if ends or (every is not None and report.round % every == 0):
            current.save()
        return ends

    env = simpy.Environment(initial_time=state.time_s)
    protocol = build_protocol(env, scenario, steps, world.streams)
    policy = fit_oracle(scenario.policy(), scenario, world, protocol)
    rounds = Rounds(env, scenario, world, policy, protocol, steps, recorder, state, after)
    current.note("running")
    if stop():
        current.save()
    else:
        rounds.run()
    if state.round < scenario.rounds:
        raise Interrupted(
            f"interrupted after round {state.round}; "
            f"continue with: airtune resume {shlex.quote(str(current.folder))}"
        )


def _steps(scenario: Scenario, *, learning: bool) -> TimedLearner:
    if learning:
        return TimedLearner(build_learner(scenario))
    return TimedLearner(
        counted=build_learner(scenario) if scenario.protocol.fixed_bits is None else None
    )


def _initial(scenario: Scenario) -> RunState:
    devices = scenario.devices
    return RunState.initial(
        devices.count,
        scenario.scheduler.queue_initial_budgets * scenario.delay_budget_s,
        devices.battery.charge_j(devices.count, Streams(scenario.seed))
        if devices.battery
        else None,
    )
