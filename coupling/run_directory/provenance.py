"""Provenance of a run: versions, seed, commit, machine, times, and progress."""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, Self, final

from coupling.run_directory import atomic
from coupling.run_directory.layout import PROVENANCE
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.scenario.errors import RunError
from coupling.scenario.scenario import Scenario
from learner.base import Learner

_PACKAGES: Final = (
    "airtune",
    "numpy",
    "scipy",
    "simpy",
    "pyarrow",
    "torch",
    "transformers",
    "peft",
)

State = Literal["running", "finished", "interrupted", "failed"]


@final
@dataclass(frozen=True)
class RunProgress:
    """Progress of a run."""

    state: State
    round: int
    """Last completed round."""
    simulated_s: float
    """Simulated time at its end, in seconds."""
    parts: Mapping[str, int]
    """Complete parts of each table."""
    error: str | None = None
    """Error line of a run that failed."""


@final
@dataclass(frozen=True)
class Provenance:
    """Content of ``provenance.json``, except the progress of the run."""

    facts: dict[str, Any]
    wall_before_s: float = 0.0
    """Wall-clock seconds of the processes that worked on the run before."""
    began_s: float = field(default_factory=time.perf_counter)
    """Start of this process's work, by a clock that is never set back."""

    @classmethod
    def begin(
        cls, scenario: Scenario, learner: Learner, *, learning: bool, policy: str | None
    ) -> Self:
        """Return the facts of a run that starts now.

        ``policy`` names a policy object that takes the place of the scenario's.
        """
        facts = {
            "schema": SCHEMA_VERSION,
            "scenario": scenario.name,
            "scenario_folder": str(scenario.folder),
            "scenario_sha256": scenario.digest(),
            "setup_sha256": scenario.setup_digest(),
            "seed": scenario.seed,
            "rounds": scenario.rounds,
            "learning": learning,
            "policy": policy,
            **_environment(learner, learning=learning),
            "started": _now(),
            "resumed": [],
        }
        return cls(facts)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the facts of a run directory.

        Raises:
            RunError: the file cannot be read, is damaged, or has another schema version.
        """
        facts = read_facts(folder)
        if facts.get("schema") != SCHEMA_VERSION:
            raise _other_schema(folder / PROVENANCE, facts.get("schema"))
        return cls(facts, float(facts["wall_s"]))

    def software_changes(self) -> str | None:
        """Return a line about commit and versions that have changed since the run started.

        None if there is none.
        """
        present = _software(_git("rev-parse", "HEAD"), _versions())
        former = _software(self.facts["commit"], self.facts["versions"])
        names = [name for name in former if name in present and former[name] != present[name]]
        if not names:
            return None
        before = ", ".join(f"{name} {former[name]}" for name in names)
        after = ", ".join(f"{name} {present[name]}" for name in names)
        return (
            f"started with {before}, resuming with {after}: "
            "results may differ from an uninterrupted run"
        )

    def resumed(self, learner: Learner) -> "Provenance":
        """Return the facts of a run that is resumed now."""
        entry = {"at": _now(), **_environment(learner, learning=self.facts["learning"])}
        return replace(self, facts=self.facts | {"resumed": [*self.facts["resumed"], entry]})

    def write(self, folder: Path, progress: RunProgress) -> None:
        """Write ``provenance.json``, complete or not at all."""
        document = self.facts | {
            **vars(progress),
            "ended": None if progress.state == "running" else _now(),
            "wall_s": self.wall_before_s + time.perf_counter() - self.began_s,
        }
        atomic.write(folder / PROVENANCE, json.dumps(document, indent=2) + "\n")


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the content of the ``provenance.json`` of a run directory of any schema version.

    Raises:
        RunError: the file cannot be read or is damaged.
    """
    path = folder / PROVENANCE
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        float(facts["wall_s"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read or is damaged: {error}") from None
    return facts


def require_schema(folder: Path) -> None:
    """Make sure that a run directory has this schema version; nothing where no version is given.

    Raises:
        RunError: it has another one.
    """
    path = folder / PROVENANCE
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(facts, dict) and facts.get("schema", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise _other_schema(path, facts["schema"])


def _other_schema(path: Path, schema: object) -> RunError:
    return RunError(
        f"{path}: has schema {schema}, and this version of airtune continues runs of schema "
        f"{SCHEMA_VERSION}; run the scenario anew"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _environment(learner: Learner, *, learning: bool) -> dict[str, Any]:
    """Return software, machine, and the device and threads with which the learner computes."""
    status = _git("status", "--porcelain")
    torch = sys.modules.get("torch") if learning else None
    return {
        "versions": _versions(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "host": platform.node(),
        "machine": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads() if torch else None,
        "torch_device": learner.device,
        "torch_numerics": dict(learner.numerics),
    }


def _software(commit: str | None, versions: Mapping[str, str]) -> dict[str, str]:
    return {**({"commit": commit[:7]} if commit else {}), **versions}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _git(*arguments: str) -> str | None:
    """Return the output of git in the source tree of this package; None outside of one."""
    tree = Path(__file__).resolve().parents[2]
    if not (tree / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(tree), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
