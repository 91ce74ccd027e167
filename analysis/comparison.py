"""Paired comparison of runs: differences over equal seeds, with confidence intervals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.errors import TraceError
from analysis.heavy_tails import hill, missing_mean, missing_variance, queue_takes_all
from analysis.intervals import Differences, judge_family, metric_difference
from analysis.metrics import rounds_over_queue, summary
from analysis.run import Run
from analysis.runs import Runs, flatten, scenario_value

METRICS: Final = (
    "scheduled_mean",
    "arrived_mean",
    "arrived_share",
    "delay_mean_s",
    "delay_median_s",
    "virtual_queue_per_budget",
    "jain_fairness",
    "energy_j",
    "simulated_s",
    "air_time_s",
    "accuracy_last",
)
"""Metrics of ``summary`` that are compared by default."""
_VERDICTS: Final = {"held": "higher", "not held": "lower", "undecided": "undecided"}


def compare(
    runs: Runs,
    by: str = "policy",
    *,
    baseline: Any = None,
    metrics: Sequence[str] = METRICS,
    within: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the paired differences from the baseline, one row per value of a key and metric.

    Two policies with one seed meet the same world, so the pair removes the variance of the world.
    ``difference`` is value minus baseline over the seeds that both have: the mean with Student's
    95 % interval in ``low`` and ``high``, or, by ``kind``, the median with that of the sign test
    where a mean may not exist. ``coverage`` is the coverage that such an interval reached in the
    coverage study; without an interval it is NaN.

    The rows are one family of claims. ``p`` is the two-sided p-value after Holm's correction,
    ``verdict`` is "higher", "lower" or "undecided" at a family-wise error of 5 %, and
    ``simultaneous_low`` and ``simultaneous_high`` are limits that are right together with a
    probability of 95 % and agree with the verdicts. Name fewer metrics for a smaller family.

    A metric without pairs is left out. The baseline is the value of the first run unless one is
    given. With ``within``, runs are compared within each combination of values of these keys, which
    are the first columns. Policies differ in their mean delay too: compare them at equal
    ``delay_mean_s`` before any conclusion.

    Raises:
        TraceError: fewer than two values, no such baseline, no seed in common, two runs of one
            value and seed, or runs of one value that differ in more than the seed.
    """
    rows = [
        {**dict(zip(within, values, strict=True)), **row}
        for values, members in combinations_of(runs, within).items()
        for row in paired_rows(members, by, baseline=baseline, metrics=metrics)
    ]
    return pd.DataFrame(judged_rows(rows))


def judged_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of ``paired_rows``, judged as one family: with p, limits and verdict."""
    judgements = judge_family(
        {str(place): [row["differences"]] for place, row in enumerate(rows)}
    ).values()
    for row, judgement in zip(rows, judgements, strict=True):
        del row["differences"]
        row |= {
            "p": judgement.p,
            "simultaneous_low": judgement.low,
            "simultaneous_high": judgement.high,
            "verdict": _VERDICTS[judgement.verdict],
        }
    return rows


def combinations_of(runs: Runs, keys: Sequence[str]) -> dict[tuple[Any, ...], Runs]:
    """Return the runs of each combination of values of some keys, in the order of the runs."""
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        members.setdefault(tuple(scenario_value(run, key) for key in keys), []).append(run)
    return {values: Runs(group) for values, group in members.items()}


def heavy_tail(runs: Sequence[Run]) -> tuple[bool, str | None]:
    """Return whether the mean delay of runs of one policy is missing, and the reason for it.

    There is a reason, too, if only the variance of the delay is missing: then the mean has no
    interval. The reason is the law of the gain, or else Hill's estimate of the tail index.
    """
    always_all = all(
        (run.arrays("rounds", "scheduled")["scheduled"] == run.device_count).all() for run in runs
    )
    for run in runs:
        if reason := missing_mean(run.scenario, always_all=always_all):
            return True, reason
    for run in runs:
        if reason := missing_variance(run.scenario, always_all=always_all):
            return False, reason
    index = hill(np.concatenate([run.arrays("rounds", "delay_s")["delay_s"] for run in runs]))
    if index is None or index >= 2:
        return False, None
    return index <= 1, f"heavy tail: Hill's index is {index:.2f}, {1 if index <= 1 else 2} or less"


def long_rounds(runs: Sequence[Run]) -> bool:
    """Return whether single rounds decide how long the devices of runs of one policy are silent.

    They do if, in half of the runs or more, a round took longer than the virtual queue held before
    it: then that round alone is most of the queue, and the devices are silent until it has drained,
    so no statistic of the run has a normal law. It needs a policy that follows its queue, and a
    gain that holds for the whole transfer.
    """
    return in_half(
        [queue_takes_all(run.scenario) and bool(rounds_over_queue(run).any()) for run in runs]
    )


def in_half(outlasted: Sequence[bool]) -> bool:
    """Return whether something happened in half of the runs or more."""
    return 2 * sum(outlasted) >= len(outlasted) > 0


def paired_rows(
    runs: Runs, by: str, *, baseline: Any = None, metrics: Sequence[str] = METRICS
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``compare`` without their judgement, with their paired differences.

    Raises:
        TraceError: as ``compare``.
    """
    groups = {name: runs_by_seed(name, members) for name, members in runs.groups(by).items()}
    if len(groups) < 2:
        raise TraceError(f"nothing to compare: every run has {by} = {next(iter(groups))!r}")
    first = next(iter(groups)) if baseline is None else baseline
    if first not in groups:
        raise TraceError(f"no run has {by} = {first!r}; there is {', '.join(map(repr, groups))}")
    baselines = groups.pop(first)
    for name, members in groups.items():
        seeds = [seed for seed in members if seed in baselines]
        if not seeds:
            raise TraceError(
                f"{by} = {name!r} has no seed in common with the baseline; run both with one seed"
            )
        pairs = [members[seed] for seed in seeds], [baselines[seed] for seed in seeds]
        for row in _differences(*pairs, metrics):
            yield {by: name} | row


def _differences(
    runs: list[Run], baselines: list[Run], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row per metric with pairs; the runs and their baselines have the same seeds."""
    summaries = [[summary(run) for run in group] for group in (runs, baselines)]
    heavy = any(heavy_tail(group)[1] for group in (runs, baselines))
    long = long_rounds(runs) or long_rounds(baselines)
    rounds = min(entry["rounds"] for group in summaries for entry in group)
    idle = [idle_share(group) for group in summaries]
    for metric in metrics:
        value, baseline = (
            np.array([entry[metric] for entry in group], float) for group in summaries
        )
        paired = value - baseline
        # The idle share that is nearest to the median decides: that policy's median may jump.
        result = metric_difference(
            metric,
            paired,
            heavy_tail=heavy,
            long_rounds=long,
            rounds=rounds,
            idle_share=min(idle, key=lambda share: abs(share - 0.5)),
        )
        if not result.seeds:
            continue
        typical = np.nanmedian if result.kind == "median" else np.nanmean
        yield {
            "metric": metric,
            "baseline": float(typical(baseline)),
            "value": float(typical(value)),
            "difference": result.estimate,
            "low": result.low,
            "high": result.high,
            "pairs": result.seeds,
            "kind": result.kind,
            "coverage": np.nan if result.coverage is None else result.coverage,
            "differences": Differences(paired, by_median=result.kind == "median"),
        }


def idle_share(summaries: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of the rounds of some runs in which no device was scheduled."""
    rounds = sum(entry["rounds"] for entry in summaries)
    return float(sum(entry["rounds_without_devices"] for entry in summaries)) / rounds


def runs_by_seed(name: Any, runs: list[Run]) -> dict[Any, Run]:
    """Return the runs of one group by seed.

    Raises:
        TraceError: two runs of one seed, or runs that differ in more than the seed.
    """
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
