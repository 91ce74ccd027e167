"""Curves over rounds or simulated time: mean over seeds, and the range of the seeds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.figures.groups import Group
from analysis.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = 400
"""Points of a curve over simulated time, a common grid because rounds end at different times."""


@final
@dataclass(frozen=True)
class Curve:
    """Mean, minimum and maximum over the seeds at each x."""

    x: ndarray
    mean: ndarray
    low: ndarray
    high: ndarray
    seeds: int


def over_rounds(group: Group, table: str, column: str, window: int = 1) -> Curve | None:
    """Return a column against the rounds that all runs of a group have; None without values.

    The value of a round is the mean of that round and the ``window - 1`` rounds before it. Rounds
    without a value are left out.
    """
    series = []
    for run in group.runs:
        rows = run.arrays(table, "round", column)
        if len(rows[column]):
            series.append(pd.Series(smooth(rows[column], window), index=rows["round"]))
    return _mean(pd.concat(series, axis=1, join="inner")) if series else None


def over_time(group: Group, table: str, time: str, *, column: str, window: int = 1) -> Curve | None:
    """Return a column against simulated time, up to the end of the run that ends first.

    Values are linear between the rows of each run.
    """
    arrays = [run.arrays(table, time, column) for run in group.runs]
    rows = [(entry[time], smooth(entry[column], window)) for entry in arrays if len(entry[column])]
    if not rows:
        return None
    start = max(times[0] for times, _ in rows)
    grid = np.linspace(start, min(times[-1] for times, _ in rows), GRID)
    return _mean(
        pd.DataFrame({seed: _between(grid, *row) for seed, row in enumerate(rows)}, index=grid)
    )


def totals(group: Group, column: str) -> Curve:
    """Return the running sum of a column of ``rounds`` against the rounds."""
    series = []
    for run in group.runs:
        rows = run.arrays("rounds", "round", column)
        series.append(pd.Series(np.cumsum(rows[column]), index=rows["round"]))
    return _mean(pd.concat(series, axis=1, join="inner"))


def smooth(values: ndarray, window: int) -> ndarray:
    """Return the mean of each value and the ``window - 1`` before it, as far as they exist."""
    if window <= 1:
        return np.asarray(values, float)
    rolling = pd.Series(values, dtype=float).rolling(window, min_periods=1)
    means: ndarray = rolling.mean().to_numpy()
    return means


def window_of(runs: list[Run]) -> int:
    """Return the averaging window of a noisy column: 1 % of the shortest run, at least 1 round."""
    return max(1, min(len(run.arrays("rounds", "round")["round"]) for run in runs) // 100)


def window_label(window: int) -> str:
    """Return the second line of an axis label, which gives the averaging window in rounds."""
    return f"\n(mean of {window} rounds)" if window > 1 else ""


def draw(axes: "Axes", curve: Curve | None, group: Group, scale: float = 1.0) -> None:
    """Draw a curve and its band; nothing if the curve is None."""
    if curve is None:
        return
    name = group.name + (f" ({curve.seeds} seeds, minimum to maximum)" if curve.seeds > 1 else "")
    axes.plot(curve.x, curve.mean * scale, label=name, **group.line_style)
    if curve.seeds > 1:
        axes.fill_between(
            curve.x,
            curve.low * scale,
            curve.high * scale,
            color=group.line_style["color"],
            alpha=0.18,
            linewidth=0,
        )


def _between(grid: ndarray, times: ndarray, values: ndarray) -> ndarray:
    known = ~np.isnan(values)
    if not known.any():
        return np.full(len(grid), np.nan)
    result: ndarray = np.interp(grid, times[known], values[known])
    return result


def _mean(table: pd.DataFrame) -> Curve:
    table = table.dropna(how="all")
    return Curve(
        x=table.index.to_numpy(),
        mean=table.mean(axis=1).to_numpy(),
        low=table.min(axis=1).to_numpy(),
        high=table.max(axis=1).to_numpy(),
        seeds=table.shape[1],
    )
