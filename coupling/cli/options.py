"""Options that several commands have, the scenario that they name, and lines on stderr."""

import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from coupling.cli import scenarios
from coupling.cli.verbosity import Verbosity
from coupling.scenario.errors import MAXIMUM_LINE, ScenarioError, os_error_text, shown
from coupling.scenario.file import parse_set
from coupling.scenario.scenario import Scenario

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""Errors of writing to a disk that is full or broken, or to a pipe that was closed."""
_LONG_WORD: Final = re.compile(r"\S{401,}")
"""A path, or another word, that a line shows in 200 characters."""

ScenarioPath = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file (TOML), or the name of a bundled one.",
        autocompletion=scenarios.complete,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the scenario."),
]
Seed = Annotated[int | None, typer.Option(help="Short form of --set seed=SEED.")]
Rounds = Annotated[int | None, typer.Option(help="Short form of --set rounds=ROUNDS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def load_scenario(
    scenario: Path,
    settings: list[str] | None,
    *,
    seed: int | None,
    rounds: int | None,
    imports_plugins: bool = True,
) -> Scenario:
    """Return the scenario of a file with the values of ``--set`` and of its short forms."""
    overrides = parse_overrides(settings, seed=seed, rounds=rounds)
    return Scenario.load(scenario, overrides, imports_plugins=imports_plugins)


def parse_overrides(
    settings: list[str] | None, *, seed: int | None = None, rounds: int | None = None
) -> dict[str, Any]:
    """Parse the values of ``--set`` and of its short forms.

    Raises:
        ScenarioError: one is no ``KEY=VALUE``, or a key has a value of its short form, too.
    """
    overrides = dict(parse_set(argument) for argument in settings or [])
    for key, value in (("seed", seed), ("rounds", rounds)):
        if value is not None:
            if key in overrides:
                raise ScenarioError(f"--{key} and --set {key}=... exclude each other; keep one")
            overrides[key] = value
    return overrides


def print_warnings(lines: Sequence[str], verbosity: Verbosity) -> None:
    """Print warnings on stderr unless the user wants quiet."""
    if verbosity is not Verbosity.QUIET:
        for line in lines:
            print_line(f"warning: {line}")


def print_line(line: str) -> None:
    """Print one line on stderr: control characters are escaped, and its length is bounded."""
    short = _LONG_WORD.sub(lambda word: f"{word[0][:140]}...{word[0][-57:]}", line.strip("\n"))
    print(shown(short, MAXIMUM_LINE), file=sys.stderr)


def report_full_output(error: OSError) -> bool:
    """Report that standard output cannot be written; return False for an error of another kind.

    The commands report the files that they name, and what is left is standard output. A reader
    that has closed a pipe is not reported.
    """
    if error.filename is not None or error.errno not in _NO_ROOM:
        return False
    try:
        sys.stdout.flush()
    except OSError:
        # Python would write the rest again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        print_line(f"the output cannot be written: {os_error_text(error)}")
    return True
