"""Policy comparison table: one row per scheduling policy, with intervals over seeds."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.comparison import (
    combinations_of,
    compare,
    heavy_tail,
    idle_share,
    long_rounds,
    runs_by_seed,
)
from analysis.heavy_tails import hill
from analysis.intervals import Interval, median_interval, metric_interval, quantile_interval
from analysis.metrics import ROUNDING, summary
from analysis.run import Run
from analysis.runs import Runs

__all__ = ["hill", "policy_table"]

QUANTILES: Final = (0.5, 0.9, 0.99)
_COLUMNS: Final = {
    "scheduled_mean": ("scheduled", ""),
    "arrived_mean": ("arrived", ""),
    "arrived_share": ("arrived_share", ""),
    "delay_mean_s": ("delay_mean", "_s"),
    "simulated_s": ("simulated", "_s"),
    "air_time_s": ("air_time", "_s"),
    "energy_j": ("energy", "_j"),
    "virtual_queue_per_budget": ("virtual_queue_per_budget", ""),
    "jain_fairness": ("jain_fairness", ""),
    "accuracy_last": ("accuracy_last", ""),
}
"""Metrics of the table: the name and the unit in the columns of their limits."""


def policy_table(runs: Runs, by: str = "policy", *, within: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per policy (or per value of another key), in the order of the first runs.

    Each statistic has one value per seed, and five columns: the estimate over the seeds, its limits
    (``_low``, ``_high``), its ``_kind`` and the ``_coverage`` of such an interval in the coverage
    study. By kind, the estimate is the mean (``mean``; ``quantile``, of the quantiles of each seed)
    or geometric mean (``log``) with Student's interval, or the median with that of the sign test.
    An interval that would cover less than 93 % is not given.

    The mean delay is NaN if it does not exist; ``delay_mean_note`` gives the reason, from the law
    of the gain (``analysis.heavy_tails``) or from Hill's estimate of the tail index. Sums of delays
    (the clocks, the energy, the queue Q(T) / (T D_budget)) then have medians, also if only the
    variance does not exist. ``over_budget`` is the share of rounds above the budget.
    ``scheduled_difference`` is the mean N minus that of the first policy, paired over seeds:
    see ``compare`` for its columns. With ``within``, every combination of values of these keys has
    rows of its own.

    Raises:
        TraceError: as ``compare``, except that one policy alone has a row too.
    """
    rows = [
        {**dict(zip(within, values, strict=True)), by: name, **_row(name, group)}
        for values, members in combinations_of(runs, within).items()
        for name, group in members.groups(by).items()
    ]
    table = pd.DataFrame(rows)
    if len(runs.groups(by)) < 2:
        return table
    paired = compare(runs, by, metrics=("scheduled_mean",), within=within)
    paired = paired.set_index([*within, by])[list(_PAIRED)].rename(columns=_PAIRED)
    table = table.join(paired, on=[*within, by])
    # The first policy is not among the pairs: its difference from itself is 0.
    first = table["scheduled_difference_p"].isna()
    table.loc[first, ["scheduled_difference", *_PAIRED_LIMITS]] = 0.0
    return table


_PAIRED: Final = {
    "difference": "scheduled_difference",
    "low": "scheduled_difference_low",
    "high": "scheduled_difference_high",
    "coverage": "scheduled_difference_coverage",
    "p": "scheduled_difference_p",
    "simultaneous_low": "scheduled_difference_simultaneous_low",
    "simultaneous_high": "scheduled_difference_simultaneous_high",
    "verdict": "scheduled_difference_verdict",
}
_PAIRED_LIMITS: Final = ("scheduled_difference_low", "scheduled_difference_high")


def _row(name: Any, group: list[Run]) -> dict[str, Any]:
    runs = list(runs_by_seed(name, group).values())
    delays = [run.arrays("rounds", "delay_s")["delay_s"] for run in runs]
    budgets = [run.arrays("rounds", "delay_budget_s")["delay_budget_s"] for run in runs]
    summaries = [summary(run) for run in runs]
    no_mean, note = heavy_tail(runs)
    idle = idle_share(summaries)
    rounds = min(map(len, delays))
    long = long_rounds(runs)
    row: dict[str, Any] = {"seeds": len(runs)}
    for metric, (stem, unit) in _COLUMNS.items():
        values = np.array([entry[metric] for entry in summaries], float)
        if metric == "delay_mean_s" and no_mean:
            values = np.full(len(runs), np.nan)
        interval = metric_interval(
            metric,
            values,
            heavy_tail=note is not None,
            long_rounds=long,
            rounds=rounds,
            idle_share=idle,
        )
        row |= _columns(metric, interval, stem, unit)
    row |= {
        "delay_mean_note": note,
        "delay_budget_s": float(np.mean(np.concatenate(budgets))),
        "over_budget": float(np.mean(_over_budget(delays, budgets))),
    }
    for quantile in QUANTILES:
        stem = f"delay_p{quantile * 100:g}"
        values = np.array([np.quantile(delay_s, quantile) for delay_s in delays])
        interval = (
            median_interval(values)
            if long
            else quantile_interval(values, quantile, rounds=rounds, idle_share=idle)
        )
        row |= _columns(f"{stem}_s", interval, stem, "_s")
    return row


def _columns(name: str, interval: Interval, stem: str, unit: str) -> dict[str, Any]:
    """Return the five columns of an estimate."""
    return {
        name: interval.estimate,
        f"{stem}_low{unit}": interval.low,
        f"{stem}_high{unit}": interval.high,
        f"{stem}_kind": interval.kind,
        f"{stem}_coverage": interval.coverage,
    }


def _over_budget(delays: list[ndarray], budgets: list[ndarray]) -> list[float]:
    """Return the share of the rounds of each run that took longer than the budget."""
    return [
        float((delay_s > budget_s * (1 + ROUNDING)).mean())
        for delay_s, budget_s in zip(delays, budgets, strict=True)
    ]
