"""Curves over rounds or simulated time: the mean over seeds, and a band from the lowest to the
highest seed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.figures.groups import Group
from analysis.run_directory import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = 400
"""Points on which curves over simulated time are put, since rounds end at other times with every
seed.
"""


@final
@dataclass(frozen=True)
class Curve:
    """Mean, lowest and highest seed at each x."""

    x: ndarray
    mean: ndarray
    low: ndarray
    high: ndarray
    seeds: int


def over_rounds(group: Group, table: str, column: str, window: int = 1) -> Curve | None:
    """Return a column against the rounds that all runs of a group have; None where no run has a
    value.

    ``window`` rounds are averaged, the round and those before it; rounds without a value count for
    nothing.
    """
    series = []
    for run in group.runs:
        found = run.arrays(table, "round", column)
        if len(found[column]):
            series.append(pd.Series(smooth(found[column], window), index=found["round"]))
    return _mean(pd.concat(series, axis=1, join="inner")) if series else None


def over_time(group: Group, table: str, time: str, column: str, window: int = 1) -> Curve | None:
    """Return a column against simulated time, linear between the rows of each run, up to the first
    run's end.
    """
    found = [run.arrays(table, time, column) for run in group.runs]
    rows = [(entry[time], smooth(entry[column], window)) for entry in found if len(entry[column])]
    if not rows:
        return None
    start = max(times[0] for times, _ in rows)
    grid = np.linspace(start, min(times[-1] for times, _ in rows), GRID)
    return _mean(
        pd.DataFrame({at: _between(grid, *row) for at, row in enumerate(rows)}, index=grid)
    )


def totals(group: Group, column: str) -> Curve:
    """Return the running sum of a column of ``rounds`` against the rounds."""
    series = []
    for run in group.runs:
        found = run.arrays("rounds", "round", column)
        series.append(pd.Series(np.cumsum(found[column]), index=found["round"]))
    return _mean(pd.concat(series, axis=1, join="inner"))


def smooth(values: ndarray, window: int) -> ndarray:
    """Return the mean of each value and the ``window - 1`` before it, as far as they exist."""
    if window <= 1:
        return np.asarray(values, float)
    found: ndarray = pd.Series(values, dtype=float).rolling(window, min_periods=1).mean().to_numpy()
    return found


def window_of(runs: list[Run]) -> int:
    """Return over how many rounds a noisy column is averaged: 1 % of the shortest run, 1 where it
    is short.
    """
    return max(1, min(len(run.arrays("rounds", "round")["round"]) for run in runs) // 100)


def averaged(window: int) -> str:
    """Return the second line of an axis label that says over how many rounds its values are
    averaged.
    """
    return f"\n(mean of {window} rounds)" if window > 1 else ""


def draw(axes: "Axes", curve: Curve | None, group: Group, scale: float = 1.0) -> None:
    """Draw a curve and its band; nothing where there is no curve."""
    if curve is None:
        return
    name = group.name + (f" ({curve.seeds} seeds, lowest to highest)" if curve.seeds > 1 else "")
    axes.plot(curve.x, curve.mean * scale, label=name, **group.look)
    if curve.seeds > 1:
        axes.fill_between(
            curve.x,
            curve.low * scale,
            curve.high * scale,
            color=group.look["color"],
            alpha=0.18,
            linewidth=0,
        )


def _between(grid: ndarray, times: ndarray, values: ndarray) -> ndarray:
    known = ~np.isnan(values)
    found: ndarray = (
        np.interp(grid, times[known], values[known]) if known.any() else np.full(len(grid), np.nan)
    )
    return found


def _mean(table: pd.DataFrame) -> Curve:
    table = table.dropna(how="all")
    return Curve(
        table.index.to_numpy(),
        table.mean(axis=1).to_numpy(),
        table.min(axis=1).to_numpy(),
        table.max(axis=1).to_numpy(),
        table.shape[1],
    )
