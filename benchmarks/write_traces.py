"""Run directories of one checkout, written for ``compare_traces``.

A program of its own that names nothing but ``coupling.Scenario``, ``coupling.ScenarioError`` and
``coupling.run``, so that it runs over any commit. ``PYTHONPATH`` selects the commit. Standard input
holds the plan as JSON, the only argument is the folder of the run directories.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import coupling

SCHEMA_MODULES = ("coupling.run_directory.schema", "coupling.tables")
"""Modules that have declared the wall-clock columns, newest first."""


def wall_clock_columns() -> list[str]:
    """Return the wall-clock columns that this commit's schema declares."""
    for name in SCHEMA_MODULES:
        try:
            return sorted(importlib.import_module(name).WALL_CLOCK)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"none of {', '.join(SCHEMA_MODULES)} declares WALL_CLOCK: add its module")


def load(path: str, overrides: dict[str, Any], old_keys: dict[str, str]) -> coupling.Scenario:
    """Return the scenario with its overrides, under their old keys if the new ones are refused."""
    try:
        return coupling.Scenario.load(path, overrides)
    except coupling.ScenarioError:
        old = {old_keys.get(key, key): value for key, value in overrides.items()}
        if old == overrides:
            raise
        return coupling.Scenario.load(path, old)


def main() -> None:
    """Write one run directory per entry of the plan, or a file with the error of that run."""
    plan = json.load(sys.stdin)
    folder = Path(sys.argv[1])
    package = Path(coupling.__file__).resolve().parent
    if package.parent != Path(plan["root"]).resolve():
        raise SystemExit(f"{package} was imported instead of the package in {plan['root']}")
    (folder / "wall_clock.json").write_text(json.dumps(wall_clock_columns()))
    for entry in plan["runs"]:
        out = folder / entry["name"]
        try:
            scenario = load(entry["path"], entry["overrides"], plan["old_keys"])
            coupling.run(scenario, out, learning=entry["learning"])
        except Exception as error:  # noqa: BLE001 - whatever ended the run is reported as its result
            out.parent.mkdir(parents=True, exist_ok=True)
            out.with_suffix(".error").write_text(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
