"""Small tables of what stages came to, one row a run, from their run directories."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis import Run, load_many
from analysis.runs import Runs, scenario_value
from reproduction.measures import COSTS, LEARNED, REAL, WALL, WHOLE, accuracy_at, measures, spent
from reproduction.stages import POLICY, Scale, Stage

REFERENCE: Final = "algorithm1"
"""The policy whose simulated time ``accuracy_in_time`` allows the others."""
DIGITS: Final = "%.12g"


class MissingRunsError(Exception):
    """Runs that a table needs are not there; the text says which stage makes them."""


def finished(folder: Path) -> Runs:
    """Return the runs of a variant.

    Raises:
        MissingRunsError: there are none, or one of them is not at its end.
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


def variants(name: str, stage: Stage, scale: Scale, runs: Path) -> dict[str, Runs]:
    """Return the runs of the variants of a stage that were run, one at least; MissingRunsError as
    ``finished``.
    """
    folders = {variant: runs / scale / name / variant for variant in stage.variants}
    begun = {key: folder for key, folder in folders.items() if folder.is_dir()} or folders
    found = {variant: finished(folder) for variant, folder in begun.items()}
    return {
        key: _equal_delay(entry) if stage.equal_delay else entry for key, entry in found.items()
    }


def table(stage: Stage, found: dict[str, Runs]) -> pd.DataFrame:
    """Return the numbers of all runs of a stage, their variant, varied keys and seed in front."""
    keys = list(dict.fromkeys(key for variant in stage.variants for key in varied(stage, variant)))
    equal = _equal_costs(found, stage.equal_cost) if stage.equal_cost else {}
    rows = [
        {"variant": variant}
        | {key: scenario_value(run, key) for key in keys}
        | {"seed": scenario_value(run, "seed")}
        | numbers
        | equal.get(run.path, {})
        for variant, runs in found.items()
        for run, numbers in zip(runs, _numbers(runs, keys), strict=True)
    ]
    names = ["variant", *keys, "seed", *WHOLE, *REAL, *WALL, *LEARNED, "accuracy_in_time"]
    names += [f"accuracy_equal_{cost}" for cost in COSTS]
    frame = pd.DataFrame(rows)
    frame = frame[[name for name in names if name in frame]]
    return frame.sort_values(["variant", *keys, "seed"], ignore_index=True)


def varied(stage: Stage, variant: str) -> list[str]:
    """Return the keys that tell the runs of a variant apart, the policy first."""
    own = stage.variants[variant]
    return [
        POLICY,
        *(key for key in (stage.vary if own.vary is None else own.vary) if key != POLICY),
    ]


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, twelve significant digits a number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, float_format=DIGITS, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Return a table that ``write`` left."""
    return pd.read_csv(path)


def groups(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each name ``variant/policy/further values``, in the order of the table."""
    keys = ["variant", *(name for name in frame.columns if "." in name)]
    found: dict[str, pd.DataFrame] = {}
    for values, rows in frame.groupby(keys, sort=False, dropna=False):
        found["/".join(str(entry) for entry in values)] = rows.set_index("seed")
    return found


def _numbers(runs: Runs, keys: list[str]) -> list[dict[str, Any]]:
    """Return the numbers of some runs, with the accuracy of each at the end of the reference's
    run.
    """
    found = [measures(run) for run in runs]
    ends = {_world(run, keys): run for run in runs if scenario_value(run, POLICY) == REFERENCE}
    for run, numbers in zip(runs, found, strict=True):
        if "accuracy" in numbers and (reference := ends.get(_world(run, keys))) is not None:
            end_s = float(reference.arrays("rounds", "end_s")["end_s"][-1])
            numbers["accuracy_in_time"] = accuracy_at(run, "time_s", end_s)
    return found


def _equal_costs(found: dict[str, Runs], among: list[str]) -> dict[Path, dict[str, float]]:
    """Return the accuracies of every run when it had spent as much as the cheapest run of some
    variants in all.
    """
    by_seed: dict[int, list[tuple[str, Run]]] = {}
    for variant, run in ((variant, run) for variant, runs in found.items() for run in runs):
        by_seed.setdefault(scenario_value(run, "seed"), []).append((variant, run))
    numbers: dict[Path, dict[str, float]] = {}
    for runs in by_seed.values():
        for cost in COSTS:
            least = min(float(spent(run, cost)[0][-1]) for variant, run in runs if variant in among)
            for _, run in runs:
                numbers.setdefault(run.path, {})[f"accuracy_equal_{cost}"] = accuracy_at(
                    run, cost, least
                )
    return numbers


def _world(run: Run, keys: list[str]) -> tuple[Any, ...]:
    return (
        scenario_value(run, "seed"),
        *(scenario_value(run, key) for key in keys if key != POLICY),
    )


def _equal_delay(runs: Runs) -> Runs:
    """Return, of each policy, the runs with the budget whose mean delay is nearest to the first
    policy's.
    """
    by_policy = runs.groups("policy")
    policies = {name: Runs(found).groups("budget_s") for name, found in by_policy.items()}
    target_s = _mean_delay_s(by_policy[REFERENCE])
    nearest: list[list[Run]] = [
        min(budgets.values(), key=lambda found: abs(_mean_delay_s(found) - target_s))
        for budgets in policies.values()
    ]
    return Runs(run for found in nearest for run in found)


def _mean_delay_s(runs: list[Run]) -> float:
    return float(
        np.concatenate([run.arrays("rounds", "delay_s")["delay_s"] for run in runs]).mean()
    )
