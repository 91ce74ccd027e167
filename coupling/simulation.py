"""A run: build the world and the learner of a scenario, go through the rounds, leave a run directory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from coupling.learning import Learning
from coupling.problems import RunError, ScenarioError
from coupling.protocols import Aggregate
from coupling.provenance import Provenance
from coupling.recorder import Recorder
from coupling.rounds import RoundReport, Rounds
from coupling.scenario import Scenario
from coupling.world import World

if TYPE_CHECKING:
    from learner.learner import Learner


def run(
    scenario: Scenario,
    out: str | Path,
    *,
    learning: bool = True,
    on_round: Callable[[RoundReport], None] = lambda report: None,
) -> Path:
    """Run a scenario and return its run directory ``out``, which must be new or empty.

    With ``learning`` false, or without a ``[learner]`` table, the network runs alone and PyTorch is not imported.
    ``on_round`` is told of every round.

    Raises:
        ScenarioError: something that the scenario names cannot be had, or ``out`` cannot be used; nothing was
            written.
        RunError: the run failed; the tables up to the round that it names are in ``out``.
    """
    folder = Path(out)
    check_free(folder)
    world, policy = World.of(scenario), scenario.policy()
    steps = Learning(_learner(scenario, world) if learning else None)
    recorder = _start(folder, scenario)
    rounds = Rounds(scenario, world, policy, Aggregate(steps), steps, recorder, on_round)
    with _recorded(folder, scenario, recorder, rounds, learning=steps.learner is not None):
        rounds.run()
    return folder


def check_free(folder: Path) -> None:
    """Make sure that a run may be written into ``folder``.

    Raises:
        ScenarioError: it is a file, or not empty.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ScenarioError(f"--out {folder}: is not empty; name a new directory")
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(f"--out {folder}: is a file; name a new directory")


def _start(folder: Path, scenario: Scenario) -> Recorder:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scenario.toml").write_text(tomli_w.dumps(scenario.tables()), encoding="utf-8")
        return Recorder(folder)
    except OSError as error:
        raise ScenarioError(
            f"--out {folder}: cannot be written: {(error.strerror or str(error)).lower()}"
        ) from None


@contextmanager
def _recorded(
    folder: Path, scenario: Scenario, recorder: Recorder, rounds: Rounds, *, learning: bool
) -> Iterator[None]:
    """Keep the tables and the provenance of a run, however it ends."""
    provenance = Provenance.begin(scenario, learning=learning)
    provenance.write(folder, state="running", simulated_s=0.0)
    state = "failed"
    try:
        yield
        state = "finished"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        try:
            recorder.flush()
            provenance.write(folder, state=state, simulated_s=rounds.time_s)
        except OSError as error:
            raise RunError(f"{folder}: cannot be written: {(error.strerror or str(error)).lower()}") from None


def _learner(scenario: Scenario, world: World) -> "Learner | None":
    if scenario.learner is None:
        return None
    from learner.errors import InputError
    from learner.learner import build

    try:
        return build(scenario.learner, scenario.devices.count, world.streams.generator)
    except InputError as error:
        raise scenario.problem(error.key, error.problem) from None
