"""Command line: ``run`` and ``resume``, the options of all commands, and the exit status."""

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from coupling.cli import analysis, compare, docs, export, scenarios, sweep, validate
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
    report_full_output,
)
from coupling.cli.progress import Verbosity, run_progress
from coupling.run_directory.directory import RunDirectory
from coupling.scenario.errors import Interrupted, RunError, ScenarioError
from coupling.scenario.plugins import listed
from coupling.scenario.scenario import Scenario
from coupling.simulation.observers import RunObserver
from coupling.simulation.run import resume, run
from coupling.simulation.stop_signals import stop_requests
from coupling.trackers import TRACKERS, Tracker, tracker_class

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
INTERRUPTED: Final = 130
ORDER: Final = (
    *("init", "scenarios", "validate", "run", "resume", "ls"),
    *("report", "figures", "timeline", "compare", "sweep", "export"),
    *("record", "link", "schema", "docs"),
)
"""Commands in the order of use, which is their order in the help."""
_ANYWHERE: Final = frozenset({"--debug", "-v", "--verbose", "-q", "--quiet"})
"""Options of all commands, which may stand anywhere in a command line."""

# Error of typer for a wrong command line; some versions of typer have their own copy of click.
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help=(
        "Split federated fine-tuning with a simulated wireless network inside every training step."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Track = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="NAME", help=f"Follow the run in {', '.join(TRACKERS)}."),
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Short form of --track tensorboard.")
]


def _show_version(value: bool) -> None:  # the interface of typer
    if value:
        print(f"airtune {version('airtune')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an error, too.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line of progress per round.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no warnings.")
    ] = False,
) -> None:
    """Take in the options of all commands."""
    if verbose and quiet:
        raise ScenarioError("--verbose and --quiet exclude each other; keep one")
    level = Verbosity.VERBOSE if verbose else Verbosity.NORMAL
    context.obj = Verbosity.QUIET if quiet else level


@app.command("run")
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
            stack, loaded, verbosity, [t(directory.path, loaded) for t in trackers]
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


@app.command("resume")
def resume_command(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="A run directory with a checkpoint.")
    ],
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="Refuse a run whose scenario names code of its own."),
    ] = False,
    track: Track = None,
    tensorboard: TensorBoard = False,
    as_json: AsJson = False,
) -> None:
    """Continue an interrupted run from its checkpoint; imports the code that its scenario names."""
    scenario = RunDirectory(folder).scenario(imports_plugins=False)
    if no_plugins and scenario.plugins():
        raise ScenarioError(
            f"{folder}: names code, which --no-plugins refuses: {listed(scenario.plugins())}"
        )
    trackers = _trackers(track, tensorboard=tensorboard)
    verbosity: Verbosity = context.obj
    with ExitStack() as stack:
        observers = _observers(stack, scenario, verbosity, [t(folder, scenario) for t in trackers])
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


def _log(verbosity: Verbosity) -> Callable[[str], None]:
    """Return the function that shows a line of a run to the user."""
    return (lambda _: None) if verbosity is Verbosity.QUIET else print_line


def _summarise(folder: Path, verbosity: Verbosity, *, as_json: bool) -> None:
    """Print the warnings and the summary of a finished run."""
    from analysis import load
    from analysis.metrics import summary
    from analysis.warnings import warnings

    with wrong_input():
        finished = load(folder)
        print_warnings(warnings(finished), verbosity)
        numbers = summary(finished)
    if as_json:
        print(json.dumps(numbers, indent=2))
    else:
        plain_console().print(summary_table(numbers))


for _module in (analysis, compare, docs, export, scenarios, sweep, validate):
    _module.register(app)
app.registered_commands.sort(
    key=lambda command: (*ORDER, command.name).index(command.name)  # a command without a place
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; every error is one line on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    first = [argument for argument in given if argument in _ANYWHERE]
    rest = [argument for argument in given if argument not in _ANYWHERE]
    try:
        ended = app([*first, *rest] or ["--help"], prog_name="airtune", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        if "--debug" in first:
            traceback.print_exc()
        print_line(f"airtune: {' '.join(str(error.format_message()).split())}")
        return WRONG_INPUT
    except (ScenarioError, RunError, Interrupted, MemoryError) as error:
        if "--debug" in first:
            traceback.print_exc()
        return _report(error)
    except OSError as error:
        if not report_full_output(error):
            raise
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        ended = INTERRUPTED
    # Typer returns this number for a KeyboardInterrupt; the commands themselves return None.
    if ended == INTERRUPTED:
        print_line("interrupted at once; the tables are readable up to the last complete round")
        return INTERRUPTED
    return DONE


def _report(error: Exception) -> int:
    """Print the line of an error, and return the exit status."""
    match error:
        case ScenarioError():
            status = WRONG_INPUT
        case RunError() | MemoryError():
            status = FAILED
        case _:
            status = INTERRUPTED
    print_line(f"out of memory: {error}" if isinstance(error, MemoryError) else str(error))
    return status
