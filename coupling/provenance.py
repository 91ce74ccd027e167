"""Where a run directory comes from: versions, seed, commit, machine, times."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Self, final

from coupling.problems import RunError
from coupling.scenario import Scenario
from coupling.tables import SCHEMA_VERSION

_NAME: Final = "provenance.json"
_PACKAGES: Final = ("airtune", "numpy", "scipy", "simpy", "pyarrow", "torch", "transformers", "peft")


@final
@dataclass(frozen=True)
class Provenance:
    """What ``provenance.json`` says, but for the state of the run."""

    facts: dict[str, Any]
    began: datetime
    """When this process took the run up."""
    wall_before_s: float = 0.0
    """Wall-clock seconds of the processes before it."""

    @classmethod
    def begin(cls, scenario: Scenario, *, learning: bool) -> Self:
        """Return the facts of a run that starts now."""
        started = datetime.now(UTC)
        torch = sys.modules.get("torch")
        facts = {
            "schema": SCHEMA_VERSION,
            "scenario": scenario.name,
            "scenario_sha256": scenario.digest(),
            "seed": scenario.seed,
            "learning": learning,
            "versions": {"python": platform.python_version()} | _versions(),
            "commit": _git("rev-parse", "HEAD"),
            "dirty": None if (status := _git("status", "--porcelain")) is None else bool(status),
            "machine": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "torch_threads": torch.get_num_threads() if learning and torch else None,
            "started": started.isoformat(timespec="seconds"),
        }
        return cls(facts, started)

    @classmethod
    def again(cls, folder: Path) -> Self:
        """Return the facts of a run that goes on now.

        Raises:
            RunError: the file cannot be read or is damaged.
        """
        path = folder / _NAME
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            return cls(facts, datetime.now(UTC), float(facts["wall_s"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: cannot be read or is damaged: {error}") from None

    def write(self, folder: Path, *, state: str, simulated_s: float) -> None:
        """Write ``provenance.json``, complete or not at all."""
        now = datetime.now(UTC)
        document = self.facts | {
            "state": state,
            "ended": None if state == "running" else now.isoformat(timespec="seconds"),
            "wall_s": self.wall_before_s + (now - self.began).total_seconds(),
            "simulated_s": simulated_s,
        }
        partial = folder / f"{_NAME}.partial"
        partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / _NAME)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    """Return what git says about the source tree of this package; None where it is not in one."""
    tree = Path(__file__).resolve().parent.parent
    if not (tree / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
