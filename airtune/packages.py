"""Check of the packages on the path: a foreign package of the same name shadows airtune's."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

NAMES: Final = ("netsim", "learner", "coupling", "analysis")
"""Packages that airtune installs beside this one."""


def require_own_packages() -> None:
    """Make sure that no foreign package has the name of one of airtune's.

    Raises:
        ImportError: a file outside of airtune shadows a package; the text names both in one line.
    """
    root = Path(__file__).resolve().parent.parent
    for name in NAMES:
        spec = find_spec(name)
        if spec is None:
            raise ImportError(
                f"airtune's package {name!r} is missing from {root}; reinstall airtune"
            )
        origin = Path(spec.origin or next(iter(spec.submodule_search_locations or [name])))
        if origin.resolve().parent != root / name:
            raise ImportError(
                f"{origin}: shadows airtune's package {name!r} in {root}; "
                "rename it, or start Python from another directory"
            )
