"""Environment of a run: versions, commit, machine, and the learner's device."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

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


def describe(learner: Learner, *, learning: bool) -> dict[str, Any]:
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


def present_software() -> dict[str, str]:
    """Return the present versions and commit."""
    return software(_git("rev-parse", "HEAD"), _versions())


def software(commit: str | None, versions: Mapping[str, str]) -> dict[str, str]:
    """Return the versions by name, the short commit among them."""
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
