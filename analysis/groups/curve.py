"""Curves of a group of runs: mean or median over the seeds, and a band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.comparison import long_rounds
from analysis.groups.axis import Axis, positions
from analysis.groups.quantity import Quantity, Statistic
from analysis.intervals import mean_band, mean_interval, median_band, median_interval
from analysis.run import Run

GRID: Final = 400
"""Points of a curve over time or energy, a common grid because rounds end at different times."""

Band = Literal["interval", "range"]
"""Band of a curve: the 95 % interval of the mean, or minimum to maximum of the seeds."""


_BANDS: Final = {"mean": mean_band, "median": median_band}
_INTERVALS: Final = {"mean": mean_interval, "median": median_interval}


@final
@dataclass(frozen=True)
class Curve:
    """Number over the seeds at each x, its 95 % interval (NaN where there is none), its range."""

    x: ndarray
    center: ndarray
    low: ndarray
    high: ndarray
    minimum: ndarray
    maximum: ndarray
    seeds: int

    def band(self, band: Band) -> tuple[ndarray, ndarray] | None:
        """Return the lower and the upper edge of a band; None if there is none."""
        edges = (self.low, self.high) if band == "interval" else (self.minimum, self.maximum)
        return None if self.seeds == 1 or np.isnan(edges[0]).all() else edges


def curve(
    runs: Sequence[Run],
    quantity: Quantity,
    axis: Axis = "round",
    *,
    window: int = 1,
    points: int = GRID,
) -> Curve | None:
    """Return the curve of a quantity over runs that differ only in the seed; None without values.

    Over rounds the curve has the rounds that all runs have. Over time or energy it has ``points``
    places from where all runs have a value up to the end of the run that ends first; values are
    linear between the rows of a run. The value of a round is the mean of that round and the
    ``window - 1`` rounds before it, if the quantity is noisy.
    """
    statistic = statistic_of(quantity, runs)
    rows = [
        (
            positions(run, quantity.table, axis, at_start=quantity.at_start),
            _smooth(quantity.values(run), quantity, window),
        )
        for run in runs
    ]
    rows = [(x, values) for x, values in rows if (~np.isnan(values)).any()]
    if not rows:
        return None
    if axis == "round":
        columns = [pd.Series(values, index=x) for x, values in rows]
        table = pd.concat(columns, axis=1, join="inner").dropna(how="all")
        values = table.to_numpy(float)
        return _over_seeds(table.index.to_numpy(), values, quantity, statistic=statistic)
    first = max(x[~np.isnan(values)][0] for x, values in rows)
    grid = np.linspace(first, max(first, min(x[-1] for x, _ in rows)), points)
    values = np.column_stack([_between(grid, *row) for row in rows])
    return _over_seeds(grid, values, quantity, statistic=statistic)


def statistic_of(quantity: Quantity, runs: Sequence[Run]) -> Statistic:
    """Return the number over the seeds: the median in runs whose empty queue took every device."""
    return "median" if long_rounds(runs) else quantity.statistic


def ranked(values: Sequence[ndarray], quantity: Quantity) -> Curve:
    """Return the curve of per-device numbers in descending order, at equal rank over the seeds.

    Placements differ between seeds, so a device number has no meaning across them.
    """
    shortest = min(len(entry) for entry in values)
    table = np.column_stack([np.sort(entry)[::-1][:shortest] for entry in values])
    ranks = np.arange(1, shortest + 1)
    return _over_seeds(ranks, table, quantity, statistic=quantity.statistic)


def window_of(runs: Sequence[Run]) -> int:
    """Return the averaging window of a noisy column: 1 % of the shortest run, at least 1 round."""
    return max(1, min(len(run.arrays("rounds", "round")["round"]) for run in runs) // 100)


def _smooth(values: ndarray, quantity: Quantity, window: int) -> ndarray:
    """Return the mean of each value and the ``window - 1`` before it, as far as they exist."""
    if window <= 1 or not quantity.noisy:
        return values
    means: ndarray = pd.Series(values).rolling(window, min_periods=1).mean().to_numpy()
    return np.where(np.isnan(values), np.nan, means)


def _between(grid: ndarray, x: ndarray, values: ndarray) -> ndarray:
    known = ~np.isnan(values)
    return np.interp(grid, x[known], values[known])


def _over_seeds(x: ndarray, table: ndarray, quantity: Quantity, *, statistic: Statistic) -> Curve:
    """Return the curve of a table with one row per x and one column per seed.

    The interval is cut at 0 and at the largest possible value.
    """
    known = ~np.isnan(table).all(axis=1)
    x, table = x[known], table[known]
    center, low, high = _limits(table, statistic)
    return Curve(
        x,
        center,
        low=np.clip(low, 0.0, quantity.maximum),
        high=np.clip(high, 0.0, quantity.maximum),
        minimum=np.nanmin(table, axis=1),
        maximum=np.nanmax(table, axis=1),
        seeds=table.shape[1],
    )


def _limits(table: ndarray, statistic: Statistic) -> tuple[ndarray, ndarray, ndarray]:
    if not np.isnan(table).any():
        limits = _BANDS[statistic](table.T)
        return limits.estimate, limits.low, limits.high
    intervals = [_INTERVALS[statistic](row) for row in table]
    columns = [(entry.estimate, entry.low, entry.high) for entry in intervals]
    center, low, high = np.array(columns, float).reshape(-1, 3).T
    return center, low, high
