"""Policy comparison table: one row per scheduling policy, with intervals over seeds."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.comparison import compare
from analysis.heavy_tails import missing_mean, missing_variance
from analysis.intervals import mean_interval
from analysis.metrics import ROUNDING, summary
from analysis.run import Run
from analysis.runs import Runs

QUANTILES: Final = (0.5, 0.9, 0.99)
_RESAMPLES: Final = 300
_TAIL_SHARE: Final = 0.05
_MINIMUM_TAIL: Final = 20


def policy_table(runs: Runs, by: str = "policy") -> pd.DataFrame:
    """Return one row per policy (or per value of another key), in the order of the first runs.

    ``delay_pXX_s`` are quantiles over the rounds of all seeds, ``_low`` and ``_high`` their 95 %
    bootstrap interval with whole seeds resampled. The mean delay is NaN if it does not exist, and
    has no Student interval if the delay has no variance; ``delay_mean_note`` gives the reason, from
    the law of the gain (``analysis.heavy_tails``) or from Hill's estimate of the tail index, and
    the median stands in for the mean. ``energy_j`` and ``virtual_queue_per_budget``, Q(T) / (T
    D_budget), are sums of delays: their means over the seeds are medians then. ``over_budget`` is
    the share of rounds above the budget. ``scheduled_difference`` is the mean N minus that of the
    first policy, paired over seeds, with its 95 % interval.

    Raises:
        TraceError: as ``compare``.
    """
    groups = runs.groups(by)
    rows = [{by: name} | _row(members) for name, members in groups.items()]
    table = pd.DataFrame(rows)
    if len(groups) > 1:
        paired = compare(runs, by, metrics=("scheduled_mean",)).set_index(by)
        for column, ending in (("difference", ""), ("low", "_low"), ("high", "_high")):
            # The first policy is not among the pairs: its difference from itself is 0.
            differences = paired[column].reindex(table[by]).to_numpy(float, copy=True)
            differences[0] = 0.0
            table[f"scheduled_difference{ending}"] = differences
    return table


def hill(values: ndarray, share: float = _TAIL_SHARE) -> float | None:
    """Return Hill's estimate (1975) of the tail index of the positive values.

    The tail is their largest ``share``. A distribution with an index below 2 has no variance, below
    1 no mean. The estimate is None if the tail has fewer than 20 values, or only equal ones.
    """
    positive = np.sort(values[values > 0])
    tail = max(int(len(positive) * share), 0)
    if tail < _MINIMUM_TAIL or tail >= len(positive):
        return None
    excess = np.log(positive[-tail:] / positive[-tail - 1]).mean()
    return float(1 / excess) if excess > 0 else None


def _row(runs: list[Run]) -> dict[str, Any]:
    delays = [run.arrays("rounds", "delay_s")["delay_s"] for run in runs]
    budgets = [run.arrays("rounds", "delay_budget_s")["delay_budget_s"] for run in runs]
    numbers = pd.DataFrame([summary(run) for run in runs])
    count = mean_interval(numbers.scheduled_mean.to_numpy())
    mean = mean_interval(np.array([delay_s.mean() for delay_s in delays]))
    no_mean, note = _heavy_tail(runs, np.concatenate(delays))
    typical = np.nanmedian if no_mean else np.nanmean
    row: dict[str, Any] = {
        "seeds": len(runs),
        "scheduled_mean": count.estimate,
        "scheduled_low": count.low,
        "scheduled_high": count.high,
        "delay_mean_s": np.nan if no_mean else mean.estimate,
        "delay_mean_low_s": np.nan if note else mean.low,
        "delay_mean_high_s": np.nan if note else mean.high,
        "delay_mean_note": note,
        "delay_budget_s": float(np.mean(np.concatenate(budgets))),
    }
    for quantile, low, high, value in _quantiles(delays):
        name = f"delay_p{quantile * 100:g}"
        row |= {f"{name}_s": value, f"{name}_low_s": low, f"{name}_high_s": high}
    over = [
        (delay > budget * (1 + ROUNDING)).mean()
        for delay, budget in zip(delays, budgets, strict=True)
    ]
    return row | {
        "over_budget": float(np.mean(over)),
        "virtual_queue_per_budget": float(typical(numbers.virtual_queue_per_budget)),
        "jain_fairness": float(numbers.jain_fairness.astype(float).mean()),
        "energy_j": float(typical(numbers.energy_j)),
    }


def _heavy_tail(runs: list[Run], delay_s: ndarray) -> tuple[bool, str | None]:
    """Return whether the mean delay is missing, and the reason why it or its interval is."""
    always_all = all(
        (run.arrays("rounds", "scheduled")["scheduled"] == run.device_count).all() for run in runs
    )
    for run in runs:
        if reason := missing_mean(run.scenario, always_all=always_all):
            return True, reason
    for run in runs:
        if reason := missing_variance(run.scenario, always_all=always_all):
            return False, reason
    index = hill(delay_s)
    if index is None or index >= 2:
        return False, None
    return index <= 1, f"heavy tail: Hill's index is {index:.2f}, {1 if index <= 1 else 2} or less"


def _quantiles(delays: list[ndarray]) -> list[tuple[float, float, float, float]]:
    """Return each quantile with the bootstrap interval over seeds: quantile, low, high, value."""
    count = len(delays)
    random = np.random.Generator(np.random.Philox(0))
    draws = random.integers(count, size=(_RESAMPLES if count > 1 else 0, count))
    resampled = np.array(
        [np.quantile(np.concatenate([delays[seed] for seed in draw]), QUANTILES) for draw in draws]
    )
    values = np.quantile(np.concatenate(delays), QUANTILES)
    if not len(resampled):
        return [
            (q, np.nan, np.nan, float(value)) for q, value in zip(QUANTILES, values, strict=True)
        ]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    return [(q, float(low[i]), float(high[i]), float(values[i])) for i, q in enumerate(QUANTILES)]
