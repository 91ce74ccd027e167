"""Paired comparison of runs: differences over equal seeds, with confidence intervals."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.errors import TraceError
from analysis.intervals import paired_interval
from analysis.metrics import summary
from analysis.run import Run
from analysis.runs import Runs, flatten, scenario_value

METRICS: Final = (
    "scheduled_mean",
    "delay_mean_s",
    "delay_median_s",
    "virtual_queue_per_budget",
    "jain_fairness",
    "energy_j",
    "simulated_s",
    "accuracy_last",
)
"""Metrics of ``summary`` that are compared by default."""


def compare(
    runs: Runs, by: str = "policy", *, baseline: Any = None, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Return the paired differences from the baseline, one row per value of a key and metric.

    ``difference`` is value minus baseline, the mean over the seeds that both have; ``low`` and
    ``high`` are its 95 % interval (Student's t), NaN for a single seed. Two policies with one seed
    meet the same world, so the pair removes the variance of the world. A metric without pairs is
    left out. The baseline is the value of the first run unless one is given. Policies differ in
    their mean delay too: compare them at equal ``delay_mean_s`` before any conclusion.

    Raises:
        TraceError: fewer than two values, no such baseline, no seed in common, two runs of one
            value and seed, or runs of one value that differ in more than the seed.
    """
    groups = {name: _by_seed(name, members) for name, members in runs.groups(by).items()}
    if len(groups) < 2:
        raise TraceError(f"nothing to compare: every run has {by} = {next(iter(groups))!r}")
    first = next(iter(groups)) if baseline is None else baseline
    if first not in groups:
        raise TraceError(f"no run has {by} = {first!r}; there is {', '.join(map(repr, groups))}")
    numbers = {
        name: {seed: summary(run) for seed, run in members.items()}
        for name, members in groups.items()
    }
    rows = [
        _row(by, name, metric, values=numbers[name], baselines=numbers[first])
        for name in groups
        if name != first
        for metric in metrics
    ]
    return pd.DataFrame([row for row in rows if row["pairs"]])


def _row(
    by: str,
    name: Any,
    metric: str,
    *,
    values: dict[Any, dict[str, Any]],
    baselines: dict[Any, dict[str, Any]],
) -> dict[str, Any]:
    seeds = [seed for seed in values if seed in baselines]
    if not seeds:
        raise TraceError(
            f"{by} = {name!r} has no seed in common with the baseline; run both with one seed"
        )
    value = _numbers(values, seeds, metric)
    baseline = _numbers(baselines, seeds, metric)
    difference = paired_interval(value, baseline)
    return {
        by: name,
        "metric": metric,
        "baseline": float(baseline.mean()),
        "value": float(value.mean()),
        "difference": difference.estimate,
        "low": difference.low,
        "high": difference.high,
        "pairs": difference.seeds,
    }


def _numbers(summaries: dict[Any, dict[str, Any]], seeds: list[Any], metric: str) -> ndarray:
    return np.array([summaries[seed][metric] for seed in seeds], dtype=float)


def _by_seed(name: Any, runs: list[Run]) -> dict[Any, Run]:
    """Return the runs of one group by seed, after a check that they differ only in the seed."""
    by_seed: dict[Any, Run] = {}
    for run in runs:
        seed = scenario_value(run, "seed")
        if seed in by_seed:
            raise _same_seed(name, by_seed[seed], run)
        by_seed[seed] = run
        if difference := _differing(runs[0], run):
            raise TraceError(
                f"{runs[0].name} and {run.name} are both {name!r} and differ in {difference} "
                "besides the seed; compare by that, or leave one out"
            )
    return by_seed


def _same_seed(name: Any, first: Run, second: Run) -> TraceError:
    difference = _differing(first, second)
    remedy = (
        f" and differ in {difference}; compare by that, or leave one out"
        if difference
        else "; leave one out"
    )
    return TraceError(
        f"{first.name} and {second.name} are both {name!r} "
        f"with seed {scenario_value(second, 'seed')}{remedy}"
    )


def _differing(first: Run, second: Run) -> str | None:
    """Return a key other than the seed in which two scenarios differ.

    A run may lack a key that its version did not know yet. Runs with equal setup do not differ.
    """
    setups = {run.provenance.get("setup_sha256") for run in (first, second)}
    if len(setups) == 1 and setups != {None}:
        return None
    left, right = flatten(first.scenario), flatten(second.scenario)
    return next(
        (key for key in left | right if key != "seed" and left.get(key) != right.get(key)), None
    )
