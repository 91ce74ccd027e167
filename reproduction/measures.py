"""Measures of a run: the columns of the tables and of the claims."""

from typing import Any, Final

import numpy as np
from numpy import ndarray

from analysis import Run, summary
from analysis.heavy_tails import queue_takes_all
from analysis.metrics import delay_statistics, rounds_over_queue
from analysis.runs import scenario_value

WHOLE: Final = ("rounds", "scheduled_total", "rounds_without_devices")
"""Whole numbers of the network; a repeated run gives them exactly."""
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
"""Real numbers of the network; a repeated run gives them to 1e-9."""
WALL: Final = ("policy_wall_median_s", "policy_wall_p99_s", "wall_s")
"""Wall-clock times, which differ in every run."""
COUNTED: Final = ("over_budget", "rounds_over_queue", "devices_solved")
"""Shares and counts of rounds; tables that were written before they existed have none."""
LEARNED: Final = (
    "train_loss",
    "test_loss",
    "accuracy",
    "accuracy_curve",
    "accuracy_trained",
    "accuracy_spread",
    "heads_trained",
)
"""Learning results; their last digits depend on the number of threads."""
COSTS: Final = ("bits", "time_s", "energy_j")
"""Costs of learning; ``accuracy_equal_...`` is the accuracy at an equal amount of one."""


def measures(run: Run) -> dict[str, Any]:
    """Return the numbers of a run.

    ``scheduled_log`` is the natural logarithm of the mean number of devices, so that differences
    are ratios. ``nearer_m`` is the mean distance to the server of all devices that were ever
    scheduled, minus the mean over scheduled device-rounds, in metres. ``over_budget`` is the share
    of rounds above the delay budget. ``rounds_over_queue`` is the number of rounds that took longer
    than the virtual queue held before them, if the policy takes every device while that is empty.
    ``devices_solved`` is the mean number of devices in all sets
    whose delay the printed Algorithm 1 solves for in a round: it adds devices up to the first one
    that lowers J, so the sets have 1 to min(N + 1, K) devices.

    ``train_loss`` is the mean over the last third of the rounds, without rounds that trained no
    device. ``test_loss`` and ``accuracy`` are those of the last evaluation, ``accuracy_curve`` is
    the mean of all evaluations after the first round, ``accuracy_spread`` the last accuracy of the
    best head minus that of the worst.
    """
    return _network(run) | (_learned(run) if run.learned else {})


def accuracy_at(run: Run, cost: str, amount: float) -> float:
    """Return the test accuracy at an amount of a cost, linear between evaluations."""
    amounts, accuracies = spent(run, cost)
    return float(np.interp(amount, amounts, accuracies))


def spent(run: Run, cost: str) -> tuple[ndarray, ndarray]:
    """Return the cumulative cost at each evaluation, and the accuracy of each evaluation.

    ``bits`` are those offered to the channel in both directions, lost ones included.
    """
    evaluations = run.arrays("evaluations", "round", "time_s", "accuracy")
    if cost == "time_s":
        return evaluations["time_s"], evaluations["accuracy"]
    rows = run.arrays("transfers" if cost == "bits" else "rounds", "round", cost)
    last = int(evaluations["round"][-1])
    per_round = np.bincount(rows["round"], rows[cost], last + 1)
    total: ndarray = np.cumsum(per_round)[evaluations["round"]]
    return total, evaluations["accuracy"]


def _network(run: Run) -> dict[str, Any]:
    rounds = run.arrays("rounds", "scheduled", "policy_wall_s")
    numbers = summary(run)
    median_s, p99_s = np.quantile(rounds["policy_wall_s"], [0.5, 0.99])
    total = int(rounds["scheduled"].sum())
    return (
        {name: numbers[name] for name in (*WHOLE, *REAL) if name in numbers}
        | {
            "scheduled_total": total,
            "scheduled_log": float(np.log(numbers["scheduled_mean"])) if total else None,
            "nearer_m": _nearer_m(run),
            "policy_wall_median_s": float(median_s),
            "policy_wall_p99_s": float(p99_s),
            "wall_s": numbers["wall_s"],
            "over_budget": delay_statistics(run)["over_budget"],
        }
        | _long_rounds(run)
        | _work(run, rounds["scheduled"])
    )


def _long_rounds(run: Run) -> dict[str, int]:
    if not queue_takes_all(run.scenario):
        return {}
    return {"rounds_over_queue": int(rounds_over_queue(run).sum())}


def _work(run: Run, scheduled: ndarray) -> dict[str, float]:
    if scenario_value(run, "scheduler.kind") != "algorithm1":
        return {}
    largest = np.minimum(scheduled.astype(int) + 1, run.device_count)
    return {"devices_solved": float((largest * (largest + 1) / 2).mean())}


def _nearer_m(run: Run) -> float | None:
    rows = run.arrays("devices", "device", "distance_m", "scheduled")
    chosen = rows["scheduled"].astype(bool)
    device = rows["device"][chosen]
    distance_m = rows["distance_m"][chosen]
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
    evaluations = run.arrays("evaluations", *names)
    loss = run.arrays("rounds", "train_loss")["train_loss"].astype(float)
    last = loss[-(len(loss) // 3) :]
    return {
        "train_loss": float(np.nanmean(last)) if (~np.isnan(last)).any() else None,
        "test_loss": float(evaluations["loss"][-1]),
        "accuracy": float(evaluations["accuracy"][-1]),
        "accuracy_curve": float(evaluations["accuracy"][evaluations["round"] > 0].mean()),
        "accuracy_trained": float(evaluations["accuracy_trained"][-1]),
        "accuracy_spread": float(evaluations["accuracy_max"][-1] - evaluations["accuracy_min"][-1]),
        "heads_trained": int(evaluations["heads_trained"][-1]),
    }
