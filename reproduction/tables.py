"""Tables of the stages' results, one row per run, from their run directories."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis import Run, load_many
from analysis.runs import Runs, scenario_value
from reproduction.measures import (
    COSTS,
    COUNTED,
    LEARNED,
    REAL,
    WALL,
    WHOLE,
    accuracy_at,
    measures,
    spent,
)
from reproduction.stages import POLICY, Scale, Stage

REFERENCE: Final = "algorithm1"
"""The policy whose simulated time limits ``accuracy_in_time`` of the others."""
DIGITS: Final = "%.12g"


class MissingRunsError(Exception):
    """Runs that a table needs are missing; the text names the stage that makes them."""


def finished(folder: Path) -> Runs:
    """Return the runs of a variant.

    Raises:
        MissingRunsError: the folder is missing, or one of its runs is not finished.
    """
    if not folder.is_dir():
        raise MissingRunsError(f"{folder}: has no runs; make reproduce STAGE={folder.parent.name}")
    runs = load_many(folder)
    for run in runs:
        if run.provenance["state"] != "finished":
            raise MissingRunsError(
                f"{run.path}: is not finished; make reproduce STAGE={folder.parent.name}"
            )
    return runs


def variants(name: str, stage: Stage, scale: Scale, *, runs: Path) -> dict[str, Runs]:
    """Return the runs of the variants of a stage that were run.

    Raises:
        MissingRunsError: as ``finished``; also if no variant was run.
    """
    folders = {variant: runs / scale / name / variant for variant in stage.variants}
    started = {key: folder for key, folder in folders.items() if folder.is_dir()} or folders
    members = {variant: finished(folder) for variant, folder in started.items()}
    return {
        key: _equal_delay(entry) if stage.equal_delay else entry for key, entry in members.items()
    }


def table(stage: Stage, members: dict[str, Runs]) -> pd.DataFrame:
    """Return the measures of all runs of a stage, after their variant, varied keys and seed."""
    keys = list(dict.fromkeys(key for variant in stage.variants for key in varied(stage, variant)))
    equal = _equal_costs(members, stage.equal_cost) if stage.equal_cost else {}
    rows = [
        {"variant": variant}
        | {key: scenario_value(run, key) for key in keys}
        | {"seed": scenario_value(run, "seed")}
        | numbers
        | equal.get(run.path, {})
        for variant, runs in members.items()
        for run, numbers in zip(runs, _numbers(runs, keys), strict=True)
    ]
    names = ["variant", *keys, "seed", *WHOLE, *REAL, *COUNTED, *WALL, *LEARNED, "accuracy_in_time"]
    names += [f"accuracy_equal_{cost}" for cost in COSTS]
    frame = pd.DataFrame(rows)
    frame = frame[[name for name in names if name in frame]]
    return frame.sort_values(["variant", *keys, "seed"], ignore_index=True)


def varied(stage: Stage, variant: str) -> list[str]:
    """Return the keys that differ among the runs of a variant, the policy first."""
    own = stage.variants[variant]
    return [
        POLICY,
        *(key for key in (stage.vary if own.vary is None else own.vary) if key != POLICY),
    ]


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV with twelve significant digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, float_format=DIGITS, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Return a table that ``write`` wrote."""
    return pd.read_csv(path)


def read_all(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a folder by their stages, and those of dropped runs in ``earlier``."""
    paths = [*sorted(folder.glob("*.csv")), *sorted((folder / "earlier").glob("*.csv"))]
    return {path.stem: read(path) for path in paths}


def groups(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each name ``variant/policy/further values``, in the order of the table."""
    keys = ["variant", *(name for name in frame.columns if "." in name)]
    tables: dict[str, pd.DataFrame] = {}
    for values, rows in frame.groupby(keys, sort=False, dropna=False):
        tables["/".join(str(entry) for entry in values)] = rows.set_index("seed")
    return tables


def _numbers(runs: Runs, keys: list[str]) -> list[dict[str, Any]]:
    """Return the measures of runs, with the accuracy at the end of the reference's run."""
    rows = [measures(run) for run in runs]
    ends = {_world(run, keys): run for run in runs if scenario_value(run, POLICY) == REFERENCE}
    for run, numbers in zip(runs, rows, strict=True):
        if "accuracy" in numbers and (reference := ends.get(_world(run, keys))) is not None:
            end_s = float(reference.arrays("rounds", "end_s")["end_s"][-1])
            numbers["accuracy_in_time"] = accuracy_at(run, "time_s", end_s)
    return rows


def _equal_costs(members: dict[str, Runs], among: list[str]) -> dict[Path, dict[str, float]]:
    """Return the accuracy of each run at the total cost of the cheapest run ``among`` variants."""
    by_seed: dict[int, list[tuple[str, Run]]] = {}
    for variant, run in ((variant, run) for variant, runs in members.items() for run in runs):
        by_seed.setdefault(scenario_value(run, "seed"), []).append((variant, run))
    numbers: dict[Path, dict[str, float]] = {}
    for runs in by_seed.values():
        for cost in COSTS:
            minimum = min(
                float(spent(run, cost)[0][-1]) for variant, run in runs if variant in among
            )
            for _, run in runs:
                numbers.setdefault(run.path, {})[f"accuracy_equal_{cost}"] = accuracy_at(
                    run, cost, minimum
                )
    return numbers


def _world(run: Run, keys: list[str]) -> tuple[Any, ...]:
    return (
        scenario_value(run, "seed"),
        *(scenario_value(run, key) for key in keys if key != POLICY),
    )


def _equal_delay(runs: Runs) -> Runs:
    """Return the runs of each policy whose mean delay is nearest to the reference policy's."""
    by_policy = runs.groups("policy")
    policies = {name: Runs(group).groups("budget_s") for name, group in by_policy.items()}
    target_s = _mean_delay_s(by_policy[REFERENCE])
    nearest: list[list[Run]] = [
        min(budgets.values(), key=lambda group: abs(_mean_delay_s(group) - target_s))
        for budgets in policies.values()
    ]
    return Runs(run for group in nearest for run in group)


def _mean_delay_s(runs: list[Run]) -> float:
    return float(
        np.concatenate([run.arrays("rounds", "delay_s")["delay_s"] for run in runs]).mean()
    )
