"""Command line: the list of commands, the options of all commands, and the exit status.

A command's module is imported when the command is called, so that the help appears at once.
"""

import errno
import gc
import sys
import traceback
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, Final, final

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from coupling.cli.verbosity import Verbosity

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
INTERRUPTED: Final = 130
COMMANDS: Final = MappingProxyType(
    {
        "init": (
            "scenarios:init",
            "Write DIR/scenario.toml, a commented copy of a bundled scenario, to be changed.",
        ),
        "scenarios": (
            "scenarios:scenarios",
            "List the bundled scenarios; 'airtune run NAME' runs one.",
        ),
        "validate": (
            "validate:validate",
            "Check all that a run would refuse, without training, and estimate what the run needs.",
        ),
        "run": ("run:run_command", "Run a scenario, and write a run directory."),
        "resume": (
            "run:resume_command",
            "Continue an interrupted run from its checkpoint.",
        ),
        "ls": ("sweep:list_runs", "List the run directories below a directory, with their states."),
        "report": (
            "analysis:report",
            "Write a report of the runs as one self-contained HTML file.",
        ),
        "figures": ("analysis:figures", "Draw a figure of the runs as SVG, PNG or PDF."),
        "timeline": (
            "analysis:timeline",
            "Write rounds of a run in the Chrome trace format, for Perfetto.",
        ),
        "compare": (
            "compare:compare",
            "Compare policies in the same worlds: run them, or take finished runs.",
        ),
        "sweep": (
            "sweep:sweep",
            "Run every combination of values and seeds, skip finished runs, and write one table.",
        ),
        "export": ("export:export", "Export the adapter and heads of a run in peft's format."),
        "record": (
            "sweep:record_world",
            "Export gains, positions and availability of a run, for replays by other runs.",
        ),
        "schema": ("scenarios:schema", "Print the JSON Schema of scenario files."),
        "docs": ("docs:docs", "Print a page of the documentation, or the list of pages."),
    }
)
"""Commands in the order of use: module and function, and the first line of its docstring."""
_ANYWHERE: Final = frozenset({"--debug", "-v", "--verbose", "-q", "--quiet"})
"""Options of all commands, which may stand anywhere in a command line."""

# Error of typer for a wrong command line; some versions of typer have their own copy of click.
_UsageError: Any = typer.BadParameter.__mro__[1]


@final
class Commands(TyperGroup):
    """The commands by name; in their list, each is a stand-in with its line of help alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()
        }

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _imported(name), rest


def _imported(name: str) -> Any:
    """Return the command of a name, with its options."""
    module, _, function = COMMANDS[name][0].partition(":")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(_module(f"coupling.cli.{module}"), function))
    return typer.main.get_command(alone)


def _module(name: str) -> ModuleType:
    """Import a module without the garbage collector.

    An import leaves next to nothing to collect, and the search takes a sixth of its time.
    """
    if name not in sys.modules:
        gc.disable()
        try:
            import_module(name)
            gc.freeze()
        finally:
            gc.enable()
    return sys.modules[name]


app = typer.Typer(
    cls=Commands,
    help=(
        "Split federated fine-tuning with a simulated wireless network inside every training step."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
        raise typer.BadParameter("--verbose and --quiet exclude each other; keep one")
    level = Verbosity.VERBOSE if verbose else Verbosity.NORMAL
    context.obj = Verbosity.QUIET if quiet else level


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; every error is one line on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    first = [argument for argument in given if argument in _ANYWHERE]
    rest = [argument for argument in given if argument not in _ANYWHERE]
    try:
        ended = app([*first, *rest] or ["--help"], prog_name="airtune", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        ended = INTERRUPTED
    except Exception as error:
        status = _report(error)
        if status is None:
            raise
        if "--debug" in first:
            traceback.print_exc()
        return status
    # Typer returns this number for a KeyboardInterrupt; the commands themselves return None.
    if ended == INTERRUPTED:
        _print_line("interrupted at once; the tables are readable up to the last complete round")
        return INTERRUPTED
    return DONE


def _report(error: Exception) -> int | None:
    """Print the line of an error that a user can cause, and return the exit status."""
    from coupling.cli.options import report_full_output
    from coupling.scenario.errors import Interrupted, RunError, ScenarioError, os_error_text

    line = str(error)
    match error:
        case _UsageError():
            line = f"airtune: {' '.join(str(error.format_message()).split())}"
            status = WRONG_INPUT
        case ScenarioError():
            status = WRONG_INPUT
        case RunError():
            status = FAILED
        case MemoryError():
            line = f"out of memory: {error}"
            status = FAILED
        case Interrupted():
            status = INTERRUPTED
        case OSError() if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            line, status = f"{error.filename}: {os_error_text(error)}", WRONG_INPUT
        case OSError():
            return FAILED if report_full_output(error) else None
        case _:
            return None
    _print_line(line)
    return status


def _print_line(line: str) -> None:
    from coupling.cli.options import print_line

    print_line(line)
