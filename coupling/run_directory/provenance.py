"""Where a run directory comes from: versions, seed, commit, machine, times."""

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
from typing import Any, Final, Self, final

from coupling.run_directory import atomic
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.scenario.errors import RunError
from coupling.scenario.scenario import Scenario
from coupling.simulation.learning import TimedLearner

_NAME: Final = "provenance.json"
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


@final
@dataclass(frozen=True)
class RunProgress:
    """How far a run has come."""

    state: str
    """``running``, ``finished``, ``interrupted`` or ``failed``."""
    round: int
    """Last completed round."""
    simulated_s: float
    parts: Mapping[str, int]
    """Complete parts of each table."""
    error: str | None = None
    """The line about what failed."""


@final
@dataclass(frozen=True)
class Provenance:
    """What ``provenance.json`` says, but for the progress of the run."""

    facts: dict[str, Any]
    wall_before_s: float = 0.0
    """Wall-clock seconds of the processes that worked on the run before."""
    began_s: float = field(default_factory=time.perf_counter)
    """When this process took the run up, by a clock that nobody sets back."""

    @classmethod
    def begin(cls, scenario: Scenario, learning: TimedLearner) -> Self:
        """Return the facts of a run that starts now."""
        facts = {
            "schema": SCHEMA_VERSION,
            "scenario": scenario.name,
            "scenario_sha256": scenario.digest(),
            "setup_sha256": scenario.setup_digest(),
            "seed": scenario.seed,
            "rounds": scenario.rounds,
            "learning": learning.learner is not None,
            **_circumstances(learning),
            "started": _now(),
            "resumed": [],
        }
        return cls(facts)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the facts of a run directory.

        Raises: RunError: the file cannot be read, is damaged, or was written with another schema
            version.
        """
        path = folder / _NAME
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            wall_s = float(facts["wall_s"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: cannot be read or is damaged: {error}") from None
        if facts.get("schema") != SCHEMA_VERSION:
            raise RunError(
                f"{path}: has schema {facts.get('schema')}; this version knows {SCHEMA_VERSION}"
            )
        return cls(facts, wall_s)

    def other_software(self) -> str | None:
        """Return in a line with which other commit and versions the run began; None if they are
        these.
        """
        now = _software(_git("rev-parse", "HEAD"), _versions())
        began = _software(self.facts["commit"], self.facts["versions"])
        names = [name for name in began if name in now and began[name] != now[name]]
        if not names:
            return None
        before, after = (
            ", ".join(f"{name} {some[name]}" for name in names) for some in (began, now)
        )
        return (
            f"was begun with {before}; goes on with {after}, and may end otherwise than in one go"
        )

    def again(self, learning: TimedLearner) -> "Provenance":
        """Return the facts of a run that goes on now, perhaps on another machine or with other
        versions.
        """
        resumed = [*self.facts["resumed"], {"at": _now(), **_circumstances(learning)}]
        return replace(self, facts=self.facts | {"resumed": resumed})

    def write(self, folder: Path, progress: RunProgress) -> None:
        """Write ``provenance.json``, complete or not at all."""
        document = self.facts | {
            **vars(progress),
            "ended": None if progress.state == "running" else _now(),
            "wall_s": self.wall_before_s + time.perf_counter() - self.began_s,
        }
        atomic.write(folder / _NAME, json.dumps(document, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _circumstances(learning: TimedLearner) -> dict[str, Any]:
    """Return what runs the scenario: software, machine, and what the learner computes with."""
    status = _git("status", "--porcelain")
    torch = sys.modules.get("torch") if learning.learner else None
    return {
        "versions": _versions(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "host": platform.node(),
        "machine": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads() if torch else None,
        "torch_device": learning.device,
    }


def _software(commit: str | None, versions: Mapping[str, str]) -> dict[str, str]:
    return {**({"commit": commit[:7]} if commit else {}), **versions}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    """Return what git says about the source tree of this package; None where it is not in one."""
    tree = Path(__file__).resolve().parent.parent.parent
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
