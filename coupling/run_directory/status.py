"""Status of run directories, as ``airtune ls`` and sweeps report it."""

import json
import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.files.documents import read_bytes
from coupling.run_directory.layout import PROVENANCE, SCENARIO
from coupling.run_directory.lock import is_locked
from coupling.run_directory.provenance import read_facts
from coupling.run_directory.remote import DamagedError, RemoteRunDirectory, is_url
from coupling.scenario.errors import RunError, ScenarioError
from coupling.scenario.scenario import Scenario

_FACTS: Final = (
    "scenario",
    "seed",
    "learning",
    "round",
    "rounds",
    "accuracy",
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
        try:
            remote = RemoteRunDirectory(place).provenance()
        except DamagedError as error:
            return RunStatus(place, "damaged", {}, error=str(error))
        return RunStatus(place, "absent", {}) if remote is None else _written(place, remote)
    folder = Path(place)
    if not (folder / PROVENANCE).exists() and not (folder / PROVENANCE).is_symlink():
        return RunStatus(place, "running" if is_locked(folder) else "absent", {})
    try:
        facts = read_facts(folder)
    except RunError as error:
        return RunStatus(place, "damaged", {}, error=str(error))
    status = _written(place, facts)
    if status.state == "running" and not is_locked(folder):
        return RunStatus(place, "stopped", facts)
    return status


def rows(root: Path) -> list[dict[str, Any]]:
    """Return the table of the run directories in and below a directory.

    A fact that a run directory does not have is null. ``keys`` has the scenario keys, other than
    the seed, in which the runs differ.

    Raises:
        OSError: ``root`` cannot be read.
    """
    paths = list(run_directories(root))
    settings = [_settings(path) for path in paths]
    known = [setting for setting in settings if setting]
    names = dict.fromkeys(name for setting in known for name in setting if name != "seed")
    varying = [
        name for name in names if len({json.dumps(setting.get(name)) for setting in known}) > 1
    ]
    return [
        _row(path, root) | {"keys": {name: setting[name] for name in varying if name in setting}}
        for path, setting in zip(paths, settings, strict=True)
    ]


def _row(path: Path, root: Path) -> dict[str, Any]:
    status = run_status(str(path))
    name = path.name if path == root else str(path.relative_to(root))
    facts = {fact: status.facts.get(fact) for fact in _FACTS}
    return {"run": name, "state": status.state, **facts, "error": status.error}


def _settings(folder: Path) -> dict[str, Any]:
    """Return the scenario of a run as dotted keys and JSON values; empty if it cannot be read."""
    try:
        tables = tomllib.loads(read_bytes(folder / SCENARIO).decode())
        return dict(_dotted(tables))
    except (OSError, ValueError, RecursionError):
        return {}


def _dotted(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{name}.")
        else:
            yield name, _json_value(value)


def _json_value(value: object) -> object:
    """Return a value of TOML as JSON has it; a date or a number that is not finite is a text."""
    if isinstance(value, list):
        return [_json_value(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _json_value(entry) for key, entry in value.items()}
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def state_of(folder: Path, scenario: Scenario, *, learning: bool) -> str:
    """Return the state of the run of a scenario in a directory that may hold another run.

    Raises:
        ScenarioError: the run there has other settings.
        RunError: its provenance is damaged.
    """
    if not (folder / SCENARIO).exists():
        return "absent"
    facts = read_facts(folder)
    if (facts.get("scenario_sha256"), facts.get("learning")) != (scenario.digest(), learning):
        raise ScenarioError(f"--out {folder}: has a run with other settings; name a new directory")
    return str(facts["state"])


def run_directories(root: Path) -> Iterator[Path]:
    """Yield the run directories in and below a directory in the order of their names.

    Below a run directory there is no other. A link is followed to a run directory only: a link to
    another folder may lead round in a circle. A folder that cannot be read is left out.

    Raises:
        OSError: ``root`` cannot be read.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if _is_run(folder):
            yield folder
            continue
        try:
            inner = sorted(folder.iterdir(), reverse=True)
        except OSError:
            if folder == root:
                raise
            continue
        waiting += [
            path for path in inner if path.is_dir() and (not path.is_symlink() or _is_run(path))
        ]


def _is_run(folder: Path) -> bool:
    """Return whether a folder has a provenance file, readable or not."""
    return os.path.lexists(folder / PROVENANCE)


def _written(place: str, facts: dict[str, Any]) -> RunStatus:
    return RunStatus(place, str(facts.get("state")), facts, error=facts.get("error"))
