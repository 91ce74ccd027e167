"""A run: build the world and the learner of a scenario, go through the rounds, leave a run directory."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import simpy
import tomli_w

from coupling import checkpoint, protocols
from coupling.checkpoint import RunState
from coupling.learning import Learning
from coupling.problems import Interrupted, RunError, ScenarioError, reason
from coupling.provenance import Provenance
from coupling.recorder import Recorder
from coupling.rounds import RoundReport, Rounds
from coupling.scenario import Scenario
from coupling.world import World
from netsim.errors import InputError as NetworkInputError

if TYPE_CHECKING:
    from learner.learner import Learner

OnRound = Callable[[RoundReport], None]
Stop = Callable[[], bool]


def _nothing(report: RoundReport) -> None:
    """Do nothing about a round."""


def _never() -> bool:
    """Let a run go on to its last round."""
    return False


_SCENARIO: Final = "scenario.toml"
_LOCK: Final = ".lock"


def run(
    scenario: Scenario,
    out: str | Path,
    *,
    learning: bool = True,
    on_round: OnRound = _nothing,
    stop: Stop = _never,
) -> Path:
    """Run a scenario and return its run directory ``out``, which must be new or empty.

    With ``learning`` false, or without a ``[learner]`` table, the network runs alone and PyTorch is not imported.
    ``on_round`` is told of every round, and the run ends after one at which ``stop`` is true.

    Raises:
        ScenarioError: something that the scenario names cannot be had, or ``out`` cannot be used; nothing was
            written.
        RunError: the run failed; the tables up to the round that it names are in ``out``.
        Interrupted: ``stop`` was true; the state is saved.
    """
    folder = Path(out)
    check_free(folder)
    world = _world(scenario)
    steps = Learning(_learner(scenario, world) if learning else None)
    start = RunState.initial(
        scenario.devices.count, scenario.scheduler.queue_initial_budgets * scenario.delay_budget_s
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(f"--out {folder}: cannot be written: {reason(error)}") from None
    with _locked(folder):
        (folder / _SCENARIO).write_text(tomli_w.dumps(scenario.tables()), encoding="utf-8")
        provenance = Provenance.begin(scenario, learning=steps.learner is not None)
        _go(scenario, folder, world, steps, start, provenance, on_round, stop)
    return folder


def resume(folder: str | Path, *, on_round: OnRound = _nothing, stop: Stop = _never) -> Path:
    """Continue a run from its checkpoint; the tables become those of a run that was never stopped.

    A run that is finished is left as it is.

    Raises:
        ScenarioError: no run directory, or the model or data can no longer be had.
        RunError: no checkpoint, one that is damaged or of another scenario, or a part that is gone; and as ``run``.
        Interrupted: as ``run``.
    """
    folder = Path(folder)
    scenario = Scenario.load(folder / _SCENARIO)
    with _locked(folder):
        provenance = Provenance.again(folder)
        if provenance.facts["state"] == "finished":
            return folder
        state, learner_part = checkpoint.load(folder, scenario.digest())
        world = _world(scenario)
        steps = Learning(_learner(scenario, world) if provenance.facts["learning"] else None)
        steps.load(learner_part)
        _go(scenario, folder, world, steps, state, provenance, on_round, stop)
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
        raise ScenarioError(f"--out {folder}: cannot be used: {reason(error)}") from None


def _go(
    scenario: Scenario,
    folder: Path,
    world: World,
    steps: Learning,
    state: RunState,
    provenance: Provenance,
    on_round: OnRound,
    stop: Stop,
) -> None:
    """Run the rounds that are left, and keep tables, state and provenance however that ends."""
    recorder = Recorder(folder, state.parts)
    every = scenario.trace.checkpoint_every

    def save() -> None:
        recorder.flush()
        state.parts = recorder.parts()
        checkpoint.save(folder, state, steps, scenario.digest())

    def after(report: RoundReport) -> bool:
        on_round(report)
        ends = stop()
        if ends or (every is not None and report.round % every == 0):
            save()
        return ends

    env = simpy.Environment(initial_time=state.time_s)
    protocol = protocols.create(env, scenario, steps, world.streams)
    rounds = Rounds(env, scenario, world, scenario.policy(), protocol, steps, recorder, state, after)
    provenance.write(folder, state="running", simulated_s=state.time_s)
    outcome = "failed"
    try:
        rounds.run()
        recorder.flush()
        outcome = "finished" if state.round == scenario.rounds else "interrupted"
    except OSError as error:
        raise RunError(f"round {state.round + 1}: {folder} cannot be written: {reason(error)}") from None
    finally:
        # Where the disk is full, the line about it is already on its way.
        with suppress(OSError):
            recorder.flush()
            provenance.write(folder, state=outcome, simulated_s=state.time_s)
    if outcome == "interrupted":
        raise Interrupted(f"interrupted after round {state.round}; continue with: airtune resume {folder}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run directory; the lock ends with this process, however it ends."""
    try:
        file = (folder / _LOCK).open("w")
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {reason(error)}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder}: another process is running in this directory") from None
        yield


def _world(scenario: Scenario) -> World:
    try:
        return World(scenario)
    except NetworkInputError as error:
        raise scenario.problem(error.key, error.problem) from None
    except MemoryError:
        problem = f"{scenario.devices.count} devices do not fit into memory"
        raise scenario.problem("devices.count", problem) from None


def _learner(scenario: Scenario, world: World) -> "Learner | None":
    if scenario.learner is None:
        return None
    from learner.errors import InputError
    from learner.learner import build

    try:
        return build(scenario.learner, scenario.devices.count, world.streams.generator)
    except InputError as error:
        raise scenario.problem(error.key, error.problem) from None
