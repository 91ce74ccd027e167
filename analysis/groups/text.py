"""Display text of values found in a run: printable, bounded, and without home directories."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Final

MAXIMUM: Final = 200
"""Longest text that is shown, in characters."""

_HOMES: Final = re.compile(r"(?<![\w.])/(?:home|Users)/[^/\s\"']+")


def display(value: Any, maximum: int = MAXIMUM) -> str:
    """Return the display text of a value of a scenario or a provenance."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(without_home(str(value)), maximum)


def printable(text: str, maximum: int = MAXIMUM) -> str:
    """Return a text on one line: control characters as escapes, the end cut with an ellipsis."""
    cut = text if len(text) <= maximum else f"{text[: maximum - 1]}…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in cut
    )


def without_home(text: str) -> str:
    """Return a text without home directories and absolute paths of this machine.

    An absolute path is shown relative to the working directory or to the home directory (``~``).
    Another absolute path keeps its last two parts. Within a longer text, home directories become
    ``~``.
    """
    if text.startswith("/") and "\n" not in text:
        return _relative(text)
    home = os.path.expanduser("~")
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?=$|[/\s\"'])", "~", text)
    return _HOMES.sub("~", text)


def _relative(text: str) -> str:
    path = PurePosixPath(os.path.normpath(text))
    home = Path(os.path.expanduser("~"))
    here = Path.cwd()
    if not home.is_relative_to(here) and path.is_relative_to(here):
        return str(path.relative_to(here))
    if home != Path(home.anchor) and path.is_relative_to(home):
        return f"~/{path.relative_to(home)}"
    if _HOMES.match(str(path)):
        return _HOMES.sub("~", str(path))
    parts = path.parts[1:]
    return str(path) if len(parts) < 2 else f".../{'/'.join(parts[-2:])}"
