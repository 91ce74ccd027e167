"""Run directories and how far they are, as ``airtune ls`` and sweeps see them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.run_directory.lock import is_locked
from coupling.run_directory.provenance import Provenance
from coupling.run_directory.remote import RemoteRunDirectory, is_url
from coupling.scenario.errors import RunError

_PROVENANCE: Final = "provenance.json"
_FACTS: Final = (
    "scenario",
    "seed",
    "learning",
    "round",
    "rounds",
    "simulated_s",
    "wall_s",
    "started",
    "commit",
)


@final
@dataclass(frozen=True)
class RunStatus:
    """One run directory.

    ``state`` is ``finished``, ``interrupted``, ``failed``, ``running``, ``stopped`` (its process
    was killed: it is gone and said nothing), ``damaged``, or ``absent``.
    """

    run: str
    state: str
    facts: dict[str, Any]
    """What ``provenance.json`` says; empty where there is none that can be read."""
    error: str | None = None


def run_status(place: str) -> RunStatus:
    """Return how far the run in a directory, or at a URL, is.

    Raises:
        RunError: the URL cannot be read.
    """
    if is_url(place):
        facts = RemoteRunDirectory(place).provenance()
        return RunStatus(place, "absent", {}) if facts is None else _told(place, facts)
    folder = Path(place)
    if not (folder / _PROVENANCE).exists():
        return RunStatus(place, "running" if is_locked(folder) else "absent", {})
    try:
        facts = Provenance.read(folder).facts
    except RunError as error:
        return RunStatus(place, "damaged", {}, str(error))
    found = _told(place, facts)
    if found.state == "running" and not is_locked(folder):
        return RunStatus(place, "stopped", facts)
    return found


def row(path: Path, root: Path) -> dict[str, Any]:
    """Return a run directory as a row of the table of those below ``root``; null where it does not
    say.
    """
    found = run_status(str(path))
    name = path.name if path == root else str(path.relative_to(root))
    facts = {fact: found.facts.get(fact) for fact in _FACTS}
    return {"run": name, "state": found.state, **facts, "error": found.error}


def run_directories(root: Path) -> Iterator[Path]:
    """Yield the run directories in and below a directory, in the order of their names; nothing
    below one.

    A link is followed to a run directory only: one to a folder may lead round in a circle.
    """
    if (root / _PROVENANCE).is_file():
        yield root
        return
    for path in sorted(root.iterdir()):
        if path.is_dir() and (not path.is_symlink() or (path / _PROVENANCE).is_file()):
            yield from run_directories(path)


def _told(place: str, facts: dict[str, Any]) -> RunStatus:
    return RunStatus(place, str(facts.get("state")), facts, facts.get("error"))
