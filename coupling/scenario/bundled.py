"""Bundled scenarios: the files of ``scenarios/``, by names such as ``paper/base``."""

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

FIRST: Final = "quickstart"
"""Scenario with which a new user begins."""
_SUFFIX: Final = ".toml"


def folder() -> Path:
    """Return the folder of the bundled scenarios: package data, or that of the source tree."""
    here = Path(__file__).resolve()
    packaged = here.parent / "bundled_scenarios"
    return packaged if packaged.is_dir() else here.parents[2] / "scenarios"


@cache
def names() -> tuple[str, ...]:
    """Return the names of the bundled scenarios, the quickstart first."""
    root = folder()
    paths = [path.relative_to(root).with_suffix("") for path in root.rglob(f"*{_SUFFIX}")]
    known = [path.as_posix() for path in paths]
    return tuple(sorted(known, key=lambda name: (name != FIRST, "/" in name, name)))


def descriptions() -> Iterator[tuple[str, str]]:
    """Yield the name and the first line of each bundled scenario."""
    for name in names():
        with (folder() / f"{name}{_SUFFIX}").open(encoding="utf-8") as file:
            yield name, file.readline().lstrip("# ").strip()


def find(name: str) -> Path | None:
    """Return the file of the bundled scenario of this name; None if there is none."""
    return folder() / f"{name}{_SUFFIX}" if name in names() else None


def hint(path: str) -> str:
    """Return the words that lead from a missing file to a bundled scenario; empty without one."""
    name = path.removesuffix(_SUFFIX).rpartition("scenarios/")[2]
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.75)
    if near:
        return f"; the bundled scenario is called {near[0]}"
    return "" if path.endswith(_SUFFIX) else "; 'airtune scenarios' lists the bundled ones"
