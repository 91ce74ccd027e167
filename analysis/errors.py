"""Errors of the analysis that a user can cause; every text is one line with the remedy."""

import difflib
from collections.abc import Iterable
from typing import Final, final

_MAXIMUM_TEXT: Final = 200


@final
class TraceError(ValueError):
    """A directory is no run directory, cannot be read, or lacks the requested data."""


@final
class ConstantError(ValueError):
    """A constant of Theorem 1 is missing or invalid."""


@final
class MissingExtraError(ImportError):
    """A package that only the ``report`` extra installs is missing."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'airtune[report]'")


def one_line(error: Exception) -> str:
    """Return the text of an error on one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= _MAXIMUM_TEXT else f"{text[: _MAXIMUM_TEXT - 3]}..."


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "did you mean X?" for the nearest known name, or else the list of known names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
