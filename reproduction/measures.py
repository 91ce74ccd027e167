"""The numbers of a run that tables hold and claims are judged by."""

from typing import Any, Final

import numpy as np
from numpy import ndarray

from analysis import Run, summary

WHOLE: Final = ("rounds", "scheduled_total", "rounds_without_devices")
"""Whole numbers that the network alone decides; they come again exactly."""
REAL: Final = (
    "scheduled_mean",
    "scheduled_log",
    "delay_mean_s",
    "delay_median_s",
    "virtual_queue_per_budget",
    "jain_fairness",
    "nearer_m",
    "energy_j",
    "simulated_s",
)
"""Real numbers that the network alone decides; they come again to 1e-9."""
WALL: Final = ("policy_wall_median_s", "policy_wall_p99_s", "policy_wall_margin_s", "wall_s")
"""Wall-clock times, which never come again."""
LEARNED: Final = (
    "train_loss",
    "test_loss",
    "accuracy",
    "accuracy_curve",
    "accuracy_trained",
    "accuracy_spread",
    "heads_trained",
)
"""What was learned; with another number of threads its last digits differ."""
COSTS: Final = ("bits", "time_s", "energy_j")
"""What learning costs on the air; ``accuracy_equal_...`` is the accuracy when so much of it was
spent.
"""


def measures(run: Run) -> dict[str, Any]:
    """Return the numbers of a run.

    ``scheduled_log`` is the natural logarithm of the mean number of devices, so that differences
    are ratios. ``nearer_m`` is how much nearer to the server the scheduled devices are on average
    than all that were ever scheduled, in metres. ``policy_wall_margin_s`` is 1 % of the delay
    budget less the 99th percentile of the decisions' wall-clock time. ``train_loss`` is the mean
    over the last third of the rounds, as far as anybody trained; ``test_loss`` and ``accuracy`` are
    those of the last evaluation, ``accuracy_curve`` the mean of all evaluations after the first
    round, ``accuracy_spread`` the best head's last accuracy less the worst's.
    """
    return _network(run) | (_learned(run) if run.learned else {})


def accuracy_at(run: Run, cost: str, amount: float) -> float:
    """Return the test accuracy when so much was spent, linear between the evaluations before and
    after.
    """
    return float(np.interp(amount, *spent(run, cost)))


def spent(run: Run, cost: str) -> tuple[ndarray, ndarray]:
    """Return how much was spent until each evaluation, and the accuracies found in them.

    ``bits`` are those offered to the channel in both directions, lost ones included.
    """
    found = run.arrays("evaluations", "round", "time_s", "accuracy")
    if cost == "time_s":
        return found["time_s"], found["accuracy"]
    rows = run.arrays(
        *(("transfers", "round", "bits") if cost == "bits" else ("rounds", "round", "energy_j"))
    )
    each = np.bincount(
        rows["round"], rows["bits" if cost == "bits" else "energy_j"], int(found["round"][-1]) + 1
    )
    total: ndarray = np.cumsum(each)[found["round"]]
    return total, found["accuracy"]


def _network(run: Run) -> dict[str, Any]:
    rounds = run.arrays("rounds", "scheduled", "delay_budget_s", "policy_wall_s")
    numbers = summary(run)
    median_s, late_s = np.quantile(rounds["policy_wall_s"], [0.5, 0.99])
    total = int(rounds["scheduled"].sum())
    return {name: numbers[name] for name in (*WHOLE, *REAL) if name in numbers} | {
        "scheduled_total": total,
        "scheduled_log": float(np.log(numbers["scheduled_mean"])) if total else None,
        "nearer_m": _nearer_m(run),
        "policy_wall_median_s": float(median_s),
        "policy_wall_p99_s": float(late_s),
        "policy_wall_margin_s": 0.01 * float(rounds["delay_budget_s"][0]) - float(late_s),
        "wall_s": numbers["wall_s"],
    }


def _nearer_m(run: Run) -> float | None:
    rows = run.arrays("devices", "device", "distance_m", "scheduled")
    chosen = rows["scheduled"].astype(bool)
    device, distance_m = rows["device"][chosen], rows["distance_m"][chosen]
    if not len(device):
        return None
    own_m: ndarray = np.bincount(device, distance_m) / np.maximum(np.bincount(device), 1)
    return float(own_m[np.unique(device)].mean() - distance_m.mean())


def _learned(run: Run) -> dict[str, Any]:
    names = (
        "round",
        "loss",
        "accuracy",
        "accuracy_trained",
        "accuracy_min",
        "accuracy_max",
        "heads_trained",
    )
    found = run.arrays("evaluations", *names)
    loss = run.arrays("rounds", "train_loss")["train_loss"].astype(float)
    last = loss[-(len(loss) // 3) :]
    return {
        "train_loss": float(np.nanmean(last)) if (~np.isnan(last)).any() else None,
        "test_loss": float(found["loss"][-1]),
        "accuracy": float(found["accuracy"][-1]),
        "accuracy_curve": float(found["accuracy"][found["round"] > 0].mean()),
        "accuracy_trained": float(found["accuracy_trained"][-1]),
        "accuracy_spread": float(found["accuracy_max"][-1] - found["accuracy_min"][-1]),
        "heads_trained": int(found["heads_trained"][-1]),
    }
