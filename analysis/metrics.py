"""Numbers that summarise a run."""

from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.errors import TraceError
from analysis.run_directory import Run
from analysis.runs import Runs

_ROUNDS = ("scheduled", "delay_s", "delay_budget_s", "virtual_queue_s", "energy_j", "end_s")

ROUNDING = 1e-9
"""A delay that exceeds its budget by no more than this share meets it: policies that aim at the
budget round.
"""


def summary(run: Run) -> dict[str, Any]:
    """Return what a run came to, one number a key; ``None`` where there is no such number.

    ``virtual_queue_per_budget`` is Q(T) / (T D_budget): it falls towards 0 where the mean delay
    meets the budget. ``jain_fairness`` is that of how often each device was scheduled.

    Raises:
        TraceError: the run has no complete round.
    """
    rounds = _rounds(run, *_ROUNDS)
    accuracy = run.arrays("evaluations", "accuracy")["accuracy"]
    scheduled, delay_s, queue_s = rounds["scheduled"], rounds["delay_s"], rounds["virtual_queue_s"]
    count, budget_s = len(scheduled), float(rounds["delay_budget_s"][0])
    return {
        "rounds": count,
        "scheduled_mean": float(scheduled.mean()),
        "scheduled_median": float(np.median(scheduled)),
        "rounds_without_devices": int((scheduled == 0).sum()),
        "delay_mean_s": float(delay_s.mean()),
        "delay_median_s": float(np.median(delay_s)),
        "delay_budget_s": budget_s,
        "virtual_queue_s": float(queue_s[-1]),
        "virtual_queue_per_budget": float(queue_s[-1]) / (count * budget_s),
        "jain_fairness": jain(times_scheduled(run)),
        "energy_j": float(rounds["energy_j"].sum()),
        "accuracy_first": float(accuracy[0]) if len(accuracy) else None,
        "accuracy_last": float(accuracy[-1]) if len(accuracy) else None,
        "simulated_s": float(rounds["end_s"][-1]),
        "wall_s": float(run.provenance["wall_s"]),
        "run": str(run.path),
    }


def summaries(runs: Runs) -> pd.DataFrame:
    """Return the summaries of many runs, one row a run, their keys in front."""
    found = pd.DataFrame([summary(run) for run in runs])
    return pd.concat(
        [runs.keys, found.drop(columns=list(runs.keys.columns), errors="ignore")], axis=1
    )


def warnings(run: Run) -> list[str]:
    """Return what a reader of the summary should know before trusting it, a line each."""
    rounds = _rounds(run, "round", "scheduled", "delay_s", "delay_budget_s")
    idle = float((rounds["scheduled"] == 0).mean())
    # Once all data is on the server nobody has anything to send, which is as it should be.
    if idle <= 0.5 or run.scenario.get("protocol", {}).get("kind") == "centralised":
        return []
    worst = int(rounds["delay_s"].argmax())
    budgets = rounds["delay_s"][worst] / rounds["delay_budget_s"][worst]
    return [
        f"{idle:.1%} of the rounds scheduled nobody: the delay of round {rounds['round'][worst]:.0f} was "
        f"{budgets:.0f} budgets, and the virtual queue had to drain; "
        "see scheduler.drift = 'full' and scheduler.queue_initial_budgets"
    ]


def delay_statistics(run: Run) -> dict[str, float]:
    """Return mean, quantiles and maximum of the delay of a round in seconds, and its share of the
    budget.

    ``mean_per_budget`` above 1 violates (8); ``over_budget`` is the share of rounds that took
    longer than the budget. Rounds that scheduled nobody count with delay 0, as in (8).
    """
    rounds = _rounds(run, "delay_s", "delay_budget_s")
    delay_s, budget_s = rounds["delay_s"], rounds["delay_budget_s"]
    low, middle, high, top = np.quantile(delay_s, [0.1, 0.5, 0.9, 0.99])
    return {
        "mean_s": float(delay_s.mean()),
        "p10_s": float(low),
        "median_s": float(middle),
        "p90_s": float(high),
        "p99_s": float(top),
        "max_s": float(delay_s.max()),
        "over_budget": float((delay_s > budget_s * (1 + ROUNDING)).mean()),
        "mean_per_budget": float(delay_s.mean() / budget_s.mean()),
    }


def queue_statistics(run: Run) -> dict[str, float]:
    """Return mean, maximum and end of the virtual queue in seconds, and how long it stood above 0.

    ``end_per_budget`` is Q(T) / (T D_budget).
    """
    rounds = _rounds(run, "virtual_queue_s", "delay_budget_s")
    queue_s, budget_s = rounds["virtual_queue_s"], rounds["delay_budget_s"]
    return {
        "mean_s": float(queue_s.mean()),
        "max_s": float(queue_s.max()),
        "end_s": float(queue_s[-1]),
        "positive": float((queue_s > 0).mean()),
        "end_per_budget": float(queue_s[-1] / budget_s.sum()),
    }


def participation(run: Run) -> pd.DataFrame:
    """Return one row a device: how often it was scheduled, and in which share of the rounds."""
    times = times_scheduled(run)
    rounds = len(_rounds(run, "round")["round"])
    return pd.DataFrame({"device": np.arange(len(times)), "times": times, "share": times / rounds})


def times_scheduled(run: Run) -> ndarray:
    """Return how often each of the K devices was scheduled."""
    rows = run.arrays("devices", "device", "scheduled")
    if not len(rows["device"]):
        return np.zeros(run.device_count, int)
    return np.bincount(
        rows["device"][np.flatnonzero(rows["scheduled"])], minlength=run.device_count
    )


def jain(shares: ndarray) -> float | None:
    """Return Jain's index ``(sum x)^2 / (K sum x^2)``: 1 is equal, 1/K is all for one; None if all
    are 0.
    """
    amounts = np.asarray(shares, float)
    squares = float((amounts**2).sum())
    return float(amounts.sum()) ** 2 / (len(amounts) * squares) if squares else None


def _rounds(run: Run, *columns: str) -> dict[str, ndarray]:
    found = run.arrays("rounds", *columns)
    if not len(found[columns[0]]):
        raise TraceError(
            f"{run.path}: has no complete round; let the run go on with airtune resume"
        )
    return found
