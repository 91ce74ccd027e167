"""Runs against each other: differences paired over seeds, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.errors import TraceError
from analysis.metrics import summary
from analysis.run_directory import Run
from analysis.runs import Runs, flat, value

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
"""Numbers of ``summary`` that are compared by default."""


@final
@dataclass(frozen=True)
class Interval:
    """A mean over some seeds with its 95 % interval by Student's t; without one (NaN) where one
    seed is all.
    """

    mean: float
    low: float
    high: float
    count: int


def interval(values: Sequence[float] | ndarray) -> Interval:
    """Return the mean of values and the 95 % interval of that mean, for independent and about
    normal values.
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    half = half_width(float(known.std(ddof=1)), len(known)) if len(known) > 1 else np.nan
    return Interval(mean, mean - half, mean + half, len(known))


def half_width(deviation: float, count: int) -> float:
    """Return half the width of the 95 % interval of a mean of ``count`` values with this standard
    deviation.
    """
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975)) * deviation / count**0.5


def compare(
    runs: Runs, by: str = "policy", *, baseline: Any = None, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Return how each value of a key differs from the baseline, paired over seeds, one row a value
    and metric.

    ``difference`` is value minus baseline, the mean over the seeds that both have; ``low`` and
    ``high`` are its 95 % interval (Student's t), NaN where one seed is all. Two policies with one
    seed meet the same world, so the pair removes what the world did. A metric that no pair has is
    left out. The first value met is the baseline unless one is given. Policies differ in their mean
    delay too: compare them at equal ``delay_mean_s`` before concluding anything.

    Raises: TraceError: fewer than two values, no such baseline, no seed in common, two runs of one
        value and seed, or
            runs of one value that differ in more than the seed.
    """
    groups = {name: _by_seed(name, found) for name, found in runs.groups(by).items()}
    if len(groups) < 2:
        raise TraceError(f"nothing to compare: every run has {by} = {next(iter(groups))!r}")
    first = next(iter(groups)) if baseline is None else baseline
    if first not in groups:
        raise TraceError(f"no run has {by} = {first!r}; there is {', '.join(map(repr, groups))}")
    numbers = {
        name: {seed: summary(run) for seed, run in found.items()} for name, found in groups.items()
    }
    rows = [
        _row(by, name, metric, numbers[name], numbers[first])
        for name in groups
        if name != first
        for metric in metrics
    ]
    return pd.DataFrame([row for row in rows if row["pairs"]])


def _row(
    by: str,
    name: Any,
    metric: str,
    ours: dict[Any, dict[str, Any]],
    theirs: dict[Any, dict[str, Any]],
) -> dict[str, Any]:
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        raise TraceError(
            f"{by} = {name!r} has no seed in common with the baseline; run both with one seed"
        )
    mine = _numbers(ours, seeds, metric)
    base = _numbers(theirs, seeds, metric)
    found = interval(mine - base)
    return {
        by: name,
        "metric": metric,
        "baseline": float(base.mean()),
        "value": float(mine.mean()),
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "pairs": found.count,
    }


def _numbers(summaries: dict[Any, dict[str, Any]], seeds: list[Any], metric: str) -> ndarray:
    return np.array([summaries[seed][metric] for seed in seeds], dtype=float)


def _by_seed(name: Any, runs: list[Run]) -> dict[Any, Run]:
    """Return the runs of one group by seed, after a check that nothing else sets them apart."""
    found: dict[Any, Run] = {}
    for run in runs:
        seed = value(run, "seed")
        if seed in found:
            difference = _differing(found[seed], run)
            raise TraceError(
                f"{found[seed].path} and {run.path} are both {name!r} with seed {seed}"
                + (
                    f" and differ in {difference}; compare by that, or leave one out"
                    if difference
                    else ""
                )
            )
        found[seed] = run
        if difference := _differing(runs[0], run):
            raise TraceError(
                f"{runs[0].path} and {run.path} are both {name!r} and differ in {difference} besides the seed; "
                "compare by that, or leave one out"
            )
    return found


def _differing(first: Run, second: Run) -> str | None:
    """Return a key other than the seed in which two scenarios differ.

    One of two runs may have a key at its default that the other's version did not know yet; their
    setups agree.
    """
    setups = {run.provenance.get("setup_sha256") for run in (first, second)}
    if len(setups) == 1 and setups != {None}:
        return None
    left, right = flat(first.scenario), flat(second.scenario)
    return next(
        (key for key in left | right if key != "seed" and left.get(key) != right.get(key)), None
    )
