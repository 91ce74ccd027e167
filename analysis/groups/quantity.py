"""Quantities of curves: one number per row of ``rounds`` or of ``evaluations``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy import ndarray

from analysis.errors import TraceError
from analysis.run import Run

Statistic = Literal["mean", "median"]
"""Number over the seeds: the mean of accuracies, whose interval is in the coverage study, and the
median of all others, which are counts, skewed, or may have no mean.
"""

NEGLIGIBLE: Final = 1e-9
"""Share of its scale below which a number is 0: the rounding of sums and differences."""


@final
@dataclass(frozen=True)
class Quantity:
    """Quantity of a curve: its label with the unit, and its number per row of a table."""

    label: str
    table: Literal["rounds", "evaluations"]
    values: Callable[[Run], ndarray]
    noisy: bool = False
    """Whether curves show a moving mean of it."""
    at_start: bool = False
    """Whether its rows are the state at the start of a round, and not at the end."""
    statistic: Statistic = "median"
    """Number over the seeds that a curve shows."""
    maximum: float = np.inf
    """Largest possible value; the smallest is 0."""


def statistic_label(label: str, statistic: Statistic) -> str:
    """Return the label of a quantity, with the number over the seeds if that is not the mean."""
    if statistic == "mean":
        return label
    name, bracket, unit = label.partition(" (")
    return f"{name}, {statistic}{bracket}{unit}"


def without_rounding(values: ndarray | float, scale: float) -> ndarray:
    """Return numbers with 0 in place of those below 1e-9 of their scale."""
    return np.where(np.abs(values) < NEGLIGIBLE * scale, 0.0, values)


def energy_of_devices(run: Run) -> ndarray:
    """Return the energy of each device over the run in J."""
    rows = run.arrays("devices", "device", "energy_j")
    if not len(rows["device"]):
        return np.zeros(run.device_count)
    joules = np.nan_to_num(rows["energy_j"].astype(float))
    return np.bincount(rows["device"], joules, minlength=run.device_count)


def _column(table: Literal["rounds", "evaluations"], column: str) -> Callable[[Run], ndarray]:
    def values(run: Run) -> ndarray:
        numbers = run.arrays(table, column)[column].astype(float)
        return without_rounding(numbers, float(np.nanmax(np.abs(numbers), initial=0.0)))

    return values


def _panel_loss(run: Run) -> ndarray:
    """Return the loss on the panel; NaN in runs of earlier versions, which lack the column."""
    try:
        return _column("rounds", "panel_loss")(run)
    except TraceError:
        return np.full(len(run.arrays("rounds", "round")["round"]), np.nan)


def _queue_s(run: Run) -> ndarray:
    rows = run.arrays("rounds", "virtual_queue_s", "delay_budget_s")
    return without_rounding(rows["virtual_queue_s"], float(rows["delay_budget_s"].max(initial=0.0)))


def _arrived_percent(run: Run) -> ndarray:
    rows = run.arrays("rounds", "arrived", "scheduled")
    scheduled = np.where(rows["scheduled"] > 0, rows["scheduled"].astype(float), np.nan)
    return 100.0 * rows["arrived"] / scheduled


def _accuracy_percent(run: Run) -> ndarray:
    return 100.0 * run.arrays("evaluations", "accuracy")["accuracy"].astype(float)


def _energy_so_far(run: Run) -> ndarray:
    return np.cumsum(run.arrays("rounds", "energy_j")["energy_j"])


def _per_round(column: str, *, mean: bool) -> Callable[[Run], ndarray]:
    """Return the sum or the mean over the devices of a column of ``devices``, per round."""

    def values(run: Run) -> ndarray:
        rounds = run.arrays("rounds", "round")["round"]
        rows = run.arrays("devices", "round", column)
        numbers = rows[column].astype(float)
        known = ~np.isnan(numbers)
        place = np.searchsorted(rounds, rows["round"][known])
        known_places = place < len(rounds)
        place, numbers = place[known_places], numbers[known][known_places]
        totals = np.bincount(place, numbers, minlength=len(rounds))
        counts = np.bincount(place, minlength=len(rounds))
        if not mean:
            return np.where(counts > 0, totals, np.nan)
        return np.divide(totals, counts, out=np.full(len(rounds), np.nan), where=counts > 0)

    return values


QUANTITIES: Final = {
    "accuracy": Quantity(
        "test accuracy (%)", "evaluations", _accuracy_percent, statistic="mean", maximum=100.0
    ),
    "test_loss": Quantity("test loss (nat)", "evaluations", _column("evaluations", "loss")),
    "loss": Quantity("training loss (nat)", "rounds", _column("rounds", "train_loss"), noisy=True),
    "panel_loss": Quantity("training loss on the panel (nat)", "rounds", _panel_loss),
    "scheduled": Quantity(
        "devices scheduled", "rounds", _column("rounds", "scheduled"), noisy=True
    ),
    "arrived": Quantity("devices arrived", "rounds", _column("rounds", "arrived"), noisy=True),
    "arrived_share": Quantity(
        "arrived, of the scheduled (%)", "rounds", _arrived_percent, noisy=True, maximum=100.0
    ),
    "queue": Quantity("virtual queue (s)", "rounds", _queue_s),
    "energy": Quantity("energy so far (J)", "rounds", _energy_so_far),
    "battery": Quantity(
        "charge of a device, mean (J)", "rounds", _per_round("battery_j", mean=True), at_start=True
    ),
    "available": Quantity(
        "devices available",
        "rounds",
        _per_round("available", mean=False),
        noisy=True,
        at_start=True,
    ),
}
"""Quantities by name."""
