"""Summary statistics of a run: devices, delay, virtual queue, fairness, energy, accuracy."""

from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.heavy_tails import mean_exists
from analysis.run import Run
from analysis.runs import Runs, no_round

_ROUNDS = (
    "scheduled",
    "arrived",
    "delay_s",
    "delay_budget_s",
    "virtual_queue_s",
    "energy_j",
    "start_s",
    "end_s",
)

ROUNDING = 1e-9
"""Relative tolerance of the delay budget, for the rounding of policies that aim at the budget."""


def summary(run: Run) -> dict[str, Any]:
    """Return the summary of a run, one number per key; ``None`` if the run has no such number.

    ``virtual_queue_per_budget`` is Q(T) / (T D_budget): it falls towards 0 if the mean delay meets
    the budget. ``jain_fairness`` is Jain's index of the times that each device was scheduled.
    ``arrived_mean`` is the mean number of devices per round whose update arrived in time, and
    ``arrived_share`` their share of all scheduled ones. ``air_time_s`` is the time on air, the sum
    of the delays D(t): a round without devices adds 0 to it and to the mean delay, and the time
    until its end to ``simulated_s`` and ``time_without_devices_s``.
    ``delay_mean_s`` is ``None`` if the delay has no finite mean (``analysis.heavy_tails``).

    Raises:
        TraceError: the run has no complete round.
    """
    rounds = _rounds(run, *_ROUNDS)
    accuracy = run.arrays("evaluations", "accuracy")["accuracy"]
    scheduled, arrived = rounds["scheduled"], rounds["arrived"]
    total = int(scheduled.sum())
    idle = scheduled == 0
    delay_s = rounds["delay_s"]
    queue_s = rounds["virtual_queue_s"]
    count = len(scheduled)
    budget_s = float(rounds["delay_budget_s"][0])
    wall_s = run.provenance.get("wall_s")
    return {
        "rounds": count,
        "scheduled_mean": float(scheduled.mean()),
        "scheduled_median": float(np.median(scheduled)),
        "arrived_mean": float(arrived.mean()),
        "arrived_share": float(arrived.sum()) / total if total else None,
        "rounds_without_devices": int(idle.sum()),
        "time_without_devices_s": float((rounds["end_s"] - rounds["start_s"])[idle].sum()),
        "delay_mean_s": float(delay_s.mean()) if _has_mean(run, scheduled) else None,
        "delay_median_s": float(np.median(delay_s)),
        "delay_budget_s": budget_s,
        "virtual_queue_s": float(queue_s[-1]),
        "virtual_queue_per_budget": float(queue_s[-1]) / (count * budget_s),
        "jain_fairness": jain(times_scheduled(run)),
        "energy_j": float(rounds["energy_j"].sum()),
        "accuracy_first": float(accuracy[0]) if len(accuracy) else None,
        "accuracy_last": float(accuracy[-1]) if len(accuracy) else None,
        "simulated_s": float(rounds["end_s"][-1]),
        "air_time_s": float(np.cumsum(delay_s)[-1]),
        "wall_s": None if wall_s is None else float(wall_s),
        "run": run.name,
    }


def summaries(runs: Runs) -> pd.DataFrame:
    """Return the summaries of several runs, one row per run, with the keys as first columns."""
    numbers = pd.DataFrame([summary(run) for run in runs])
    numbers = numbers.drop(columns=list(runs.keys.columns), errors="ignore")
    return pd.concat([runs.keys, numbers], axis=1)


def delay_statistics(run: Run) -> dict[str, float | None]:
    """Return the mean, quantiles and maximum of the round delay in seconds, and two ratios.

    ``mean_per_budget`` above 1 violates (8); ``over_budget`` is the share of rounds that took
    longer than the budget. Rounds without scheduled devices count with delay 0, as in (8). The mean
    and its ratio are ``None`` if the delay has no finite mean (``analysis.heavy_tails``).
    """
    rounds = _rounds(run, "scheduled", "delay_s", "delay_budget_s")
    delay_s = rounds["delay_s"]
    mean_s = float(delay_s.mean()) if _has_mean(run, rounds["scheduled"]) else None
    budget_s = rounds["delay_budget_s"]
    low, middle, high, top = np.quantile(delay_s, [0.1, 0.5, 0.9, 0.99])
    return {
        "mean_s": mean_s,
        "p10_s": float(low),
        "median_s": float(middle),
        "p90_s": float(high),
        "p99_s": float(top),
        "max_s": float(delay_s.max()),
        "over_budget": float((delay_s > budget_s * (1 + ROUNDING)).mean()),
        "mean_per_budget": None if mean_s is None else mean_s / float(budget_s.mean()),
    }


def queue_statistics(run: Run) -> dict[str, float]:
    """Return the mean, maximum and last value of the virtual queue in seconds, and two ratios.

    ``positive`` is the share of rounds after which the queue is above 0; ``end_per_budget`` is
    Q(T) / (T D_budget).
    """
    rounds = _rounds(run, "virtual_queue_s", "delay_budget_s")
    queue_s = rounds["virtual_queue_s"]
    budget_s = rounds["delay_budget_s"]
    return {
        "mean_s": float(queue_s.mean()),
        "max_s": float(queue_s.max()),
        "end_s": float(queue_s[-1]),
        "positive": float((queue_s > 0).mean()),
        "end_per_budget": float(queue_s[-1] / budget_s.sum()),
    }


def rounds_over_queue(run: Run) -> ndarray:
    """Return whether each round took longer than the virtual queue held before it."""
    rounds = run.arrays("rounds", "virtual_queue_before_s", "delay_s")
    over: ndarray = rounds["delay_s"] > rounds["virtual_queue_before_s"]
    return over


def participation(run: Run) -> pd.DataFrame:
    """Return the participation of each device: times scheduled, and share of the rounds."""
    times = times_scheduled(run)
    rounds = len(_rounds(run, "round")["round"])
    return pd.DataFrame({"device": np.arange(len(times)), "times": times, "share": times / rounds})


def times_scheduled(run: Run) -> ndarray:
    """Return the number of rounds in which each of the K devices was scheduled."""
    rows = run.arrays("devices", "device", "scheduled")
    if not len(rows["device"]):
        return np.zeros(run.device_count, int)
    return np.bincount(
        rows["device"][np.flatnonzero(rows["scheduled"])], minlength=run.device_count
    )


def jain(shares: ndarray) -> float | None:
    """Return Jain's index ``(sum x)^2 / (K sum x^2)``; None if all shares are 0.

    1 means equal shares, 1/K that one device has everything.
    """
    amounts = np.asarray(shares, float)
    squares = float((amounts**2).sum())
    return float(amounts.sum()) ** 2 / (len(amounts) * squares) if squares else None


def _has_mean(run: Run, scheduled: ndarray) -> bool:
    """Return whether the delay of a run has a finite mean, given its devices per round."""
    return mean_exists(run.scenario, always_all=bool((scheduled == run.device_count).all()))


def _rounds(run: Run, *columns: str) -> dict[str, ndarray]:
    rounds = run.arrays("rounds", *columns)
    if not len(rounds[columns[0]]):
        raise no_round(run)
    return rounds
