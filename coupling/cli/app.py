"""Command line: ``run``, ``resume``, ``validate`` and ``schema``, and the exit status."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from coupling.cli import analysis, compare, export, sweep
from coupling.cli.console import ProgressBar, plain_console, summary_table
from coupling.cli.tensorboard import TensorBoard, require_tensorboard
from coupling.run_directory.directory import RunDirectory
from coupling.run_directory.layout import TENSORBOARD
from coupling.scenario.errors import Interrupted, RunError, ScenarioError, key_path, shown
from coupling.scenario.file import parse_set
from coupling.scenario.json_schema import file_schema
from coupling.scenario.plugins import listed
from coupling.scenario.scenario import Scenario, json_schema
from coupling.simulation.build import build_world
from coupling.simulation.feasibility import warnings as feasibility_warnings
from coupling.simulation.observers import RunObserver
from coupling.simulation.run import resume, run
from coupling.simulation.stop_signals import stop_requests

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
INTERRUPTED: Final = 130
MAXIMUM_LINE: Final = 2000
"""Number of characters of the longest line on stderr."""

# Error of typer for a wrong command line; some versions of typer have their own copy of click.
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help=(
        "Split federated fine-tuning with a simulated wireless network inside every training step."
    ),
    add_completion=False,
    pretty_exceptions_enable=False,
)
analysis.register(app)
compare.register(app)
sweep.register(app)
export.register(app)

ScenarioPath = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (TOML).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the scenario."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.command("run")
def run_command(
    scenario: ScenarioPath,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Run directory (default: the next free runs/NAME-N).")
    ] = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network without the learner.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write scalars to OUT/tensorboard in every round.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, and write a run directory."""
    loaded = _load(scenario, settings)
    if tensorboard:
        require_tensorboard()
    if out is not None:
        RunDirectory(out).require_free()
    directory = (
        RunDirectory.next_free(Path("runs"), loaded.name) if out is None else RunDirectory(out)
    )
    with ExitStack() as stack:
        observers: list[RunObserver] = [stack.enter_context(ProgressBar(loaded.rounds))]
        if tensorboard:
            scalars = TensorBoard(directory.path / TENSORBOARD)
            observers.append(stack.enter_context(scalars))
        stop = stack.enter_context(stop_requests())
        run(
            loaded,
            directory,
            learning=not no_learning,
            observers=observers,
            stop=stop,
            log=_stderr,
        )
    _summarise(directory.path, as_json=as_json)


@app.command("resume")
def resume_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="A run directory with a checkpoint.")
    ],
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="Refuse a run whose scenario names code of its own."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Continue an interrupted run from its checkpoint; imports the code that its scenario names."""
    scenario = RunDirectory(folder).scenario(imports_plugins=False)
    if no_plugins and scenario.plugins():
        raise ScenarioError(
            f"{folder}: names code, which --no-plugins refuses: {listed(scenario.plugins())}"
        )
    rounds = scenario.rounds
    with ProgressBar(rounds) as progress, stop_requests() as stop:
        resume(folder, observers=[progress], stop=stop, log=_stderr)
    _summarise(folder, as_json=as_json)


def _summarise(folder: Path, *, as_json: bool) -> None:
    """Print the warnings and the summary of a finished run."""
    from analysis import load
    from analysis.metrics import summary, warnings

    finished = load(folder)
    for line in warnings(finished):
        _stderr(f"warning: {line}")
    if as_json:
        print(json.dumps(summary(finished), indent=2))
    else:
        plain_console().print(summary_table(summary(finished)))


@app.command()
def validate(
    scenario: ScenarioPath,
    settings: Settings = None,
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="List the code that it names, without importing it."),
    ] = False,
) -> None:
    """Check a scenario file, and warn about settings that are probably mistakes."""
    loaded = _load(scenario, settings, imports_plugins=not no_plugins)
    for path, name in loaded.plugins() if no_plugins else []:
        print(f"{scenario}: {key_path(path)} = {name!r} names code, which was not imported")
    if no_plugins and loaded.plugins():
        print(f"{scenario}: valid apart from that code and its options")
        return
    # Unphysical numbers overflow here; a run with such numbers ends with an error.
    with np.errstate(all="ignore"):
        lines = [*loaded.warnings(), *build_world(loaded).file_warnings()]
    for line in [*lines, *feasibility_warnings(loaded)]:
        _stderr(f"warning: {line}")
    print(f"{scenario}: valid")


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    print(json.dumps(file_schema(json_schema()), indent=2))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; every error is one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        ended = app(arguments or ["--help"], standalone_mode=False)
    except _UsageError as error:
        _stderr(f"airtune: {' '.join(str(error.format_message()).split())}")
        return WRONG_INPUT
    except ScenarioError as error:
        _stderr(str(error))
        return WRONG_INPUT
    except RunError as error:
        _stderr(str(error))
        return FAILED
    except Interrupted as interrupted:
        _stderr(str(interrupted))
        return INTERRUPTED
    except MemoryError as error:
        _stderr(f"out of memory: {error}")
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        ended = INTERRUPTED
    # Typer returns this number for a KeyboardInterrupt; the commands themselves return None.
    if ended == INTERRUPTED:
        _stderr("interrupted at once; the tables are readable up to the last complete round")
        return INTERRUPTED
    return DONE


def _load(scenario: Path, settings: list[str] | None, *, imports_plugins: bool = True) -> Scenario:
    """Return the scenario of a file with the values of ``--set``."""
    overrides = dict(parse_set(argument) for argument in settings or [])
    return Scenario.load(scenario, overrides, imports_plugins=imports_plugins)


def _stderr(line: str) -> None:
    """Print one line on stderr: control characters are escaped, and its length is bounded."""
    print(shown(line.strip("\n"), MAXIMUM_LINE), file=sys.stderr)
