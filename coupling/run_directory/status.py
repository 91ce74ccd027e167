"""Status of run directories, as ``airtune ls`` and sweeps report it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.run_directory.layout import PROVENANCE
from coupling.run_directory.lock import is_locked
from coupling.run_directory.provenance import read_facts
from coupling.run_directory.remote import RemoteRunDirectory, is_url
from coupling.scenario.errors import RunError

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
    """Status of one run directory.

    ``state`` is ``finished``, ``interrupted``, ``failed``, ``running``, ``stopped`` (its process
    was killed), ``damaged``, or ``absent``.
    """

    run: str
    state: str
    facts: dict[str, Any]
    """Content of ``provenance.json``; empty where there is none that can be read."""
    error: str | None = None


def run_status(place: str) -> RunStatus:
    """Return the status of the run in a directory or at a URL.

    Raises:
        RunError: the URL cannot be read.
    """
    if is_url(place):
        facts = RemoteRunDirectory(place).provenance()
        return RunStatus(place, "absent", {}) if facts is None else _written(place, facts)
    folder = Path(place)
    if not (folder / PROVENANCE).exists():
        return RunStatus(place, "running" if is_locked(folder) else "absent", {})
    try:
        facts = read_facts(folder)
    except RunError as error:
        return RunStatus(place, "damaged", {}, error=str(error))
    status = _written(place, facts)
    if status.state == "running" and not is_locked(folder):
        return RunStatus(place, "stopped", facts)
    return status


def row(path: Path, root: Path) -> dict[str, Any]:
    """Return a run directory as a row of the table of those below ``root``.

    A fact that the run directory does not have is null.
    """
    status = run_status(str(path))
    name = path.name if path == root else str(path.relative_to(root))
    facts = {fact: status.facts.get(fact) for fact in _FACTS}
    return {"run": name, "state": status.state, **facts, "error": status.error}


def run_directories(root: Path) -> Iterator[Path]:
    """Yield the run directories in and below a directory in the order of their names.

    Below a run directory there is no other. A link is followed to a run directory only: a link to
    another folder may lead round in a circle.
    """
    if (root / PROVENANCE).is_file():
        yield root
        return
    for path in sorted(root.iterdir()):
        if path.is_dir() and (not path.is_symlink() or (path / PROVENANCE).is_file()):
            yield from run_directories(path)


def _written(place: str, facts: dict[str, Any]) -> RunStatus:
    return RunStatus(place, str(facts.get("state")), facts, error=facts.get("error"))
