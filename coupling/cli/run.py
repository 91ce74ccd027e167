"""Commands ``run`` and ``resume``."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from analysis import load
from analysis.metrics import summary
from analysis.warnings import warnings
from coupling.cli.analysis import wrong_input
from coupling.cli.console import plain_console, summary_table
from coupling.cli.options import (
    AsJson,
    Rounds,
    ScenarioPath,
    Seed,
    Settings,
    load_scenario,
    print_line,
    print_warnings,
)
from coupling.cli.progress import run_progress
from coupling.cli.verbosity import Verbosity
from coupling.run_directory.directory import RunDirectory
from coupling.scenario.scenario import Scenario
from coupling.simulation.observers import RunObserver
from coupling.simulation.run import resume, run
from coupling.simulation.stop_signals import stop_requests
from coupling.trackers import TRACKERS, Tracker, tracker_class

Track = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="NAME", help=f"Follow the run in {', '.join(TRACKERS)}."),
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Short form of --track tensorboard.")
]


def run_command(
    context: typer.Context,
    scenario: ScenarioPath,
    settings: Settings = None,
    seed: Seed = None,
    rounds: Rounds = None,
    out: Annotated[
        Path | None, typer.Option(help="Run directory (default: the next free runs/NAME-N).")
    ] = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network without the learner.")
    ] = False,
    track: Track = None,
    tensorboard: TensorBoard = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, and write a run directory."""
    loaded = load_scenario(scenario, settings, seed=seed, rounds=rounds)
    trackers = _trackers(track, tensorboard=tensorboard)
    if out is not None:
        RunDirectory(out).require_free()
    verbosity: Verbosity = context.obj
    directory = (
        RunDirectory.next_free(Path("runs"), loaded.name) if out is None else RunDirectory(out)
    )
    with ExitStack() as stack:
        observers = _observers(
            stack, loaded, verbosity, [t(directory.path, loaded, _warn) for t in trackers]
        )
        stop = stack.enter_context(stop_requests())
        run(
            loaded,
            directory,
            learning=not no_learning,
            observers=observers,
            stop=stop,
            log=_log(verbosity),
        )
    _summarise(directory.path, verbosity, as_json=as_json)


def resume_command(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="A run directory with a checkpoint.")
    ],
    plugins: Annotated[
        bool, typer.Option("--plugins", help="Import the code that the run's scenario names.")
    ] = False,
    track: Track = None,
    tensorboard: TensorBoard = False,
    as_json: AsJson = False,
) -> None:
    """Continue an interrupted run from its checkpoint."""
    scenario = RunDirectory(folder).scenario(imports_plugins=False)
    if not plugins:
        scenario.require_loaded(str(folder))
    trackers = _trackers(track, tensorboard=tensorboard)
    verbosity: Verbosity = context.obj
    with ExitStack() as stack:
        observers = _observers(
            stack, scenario, verbosity, [t(folder, scenario, _warn) for t in trackers]
        )
        stop = stack.enter_context(stop_requests())
        resume(folder, observers=observers, stop=stop, log=_log(verbosity))
    _summarise(folder, verbosity, as_json=as_json)


def _trackers(names: list[str] | None, *, tensorboard: bool) -> list[type[Tracker]]:
    """Return the classes of the trackers that are named, each once."""
    named = [*(names or []), *(["tensorboard"] if tensorboard else [])]
    return [tracker_class(name) for name in dict.fromkeys(named)]


def _observers(
    stack: ExitStack, scenario: Scenario, verbosity: Verbosity, trackers: Sequence[Tracker]
) -> list[RunObserver]:
    """Return the observers of a run, which the stack closes."""
    progress = stack.enter_context(run_progress(scenario.ending, verbosity))
    opened = [stack.enter_context(tracker) for tracker in trackers]
    return [*([] if progress is None else [progress]), *opened]


def _warn(line: str) -> None:
    print_line(f"warning: {line}")


def _log(verbosity: Verbosity) -> Callable[[str], None]:
    """Return the function that shows a line of a run to the user."""
    return (lambda _: None) if verbosity is Verbosity.QUIET else print_line


def _summarise(folder: Path, verbosity: Verbosity, *, as_json: bool) -> None:
    """Print the warnings and the summary of a finished run."""
    with wrong_input():
        finished = load(folder)
        print_warnings(warnings(finished), verbosity)
        numbers = summary(finished)
    if as_json:
        print(json.dumps(numbers, indent=2))
    else:
        plain_console().print(summary_table(numbers))
