"""Curves of the groups of a report: centre and bands over the seeds, on every axis of time."""

from typing import Any, Final

import numpy as np

from analysis.groups import (
    QUANTITIES,
    Axis,
    Curve,
    Group,
    curve,
    statistic_label,
    statistic_of,
    window_of,
)
from analysis.intervals import band_coverage
from analysis.report.downsampling import evenly_spaced, numbers
from analysis.runs import Runs

SHOWN: Final = (
    "accuracy",
    "test_loss",
    "panel_loss",
    "scheduled",
    "arrived_share",
    "queue",
    "energy",
)
"""Quantities of ``analysis.groups`` that the page draws."""

_AXES: Final[tuple[Axis, ...]] = ("round", "simulated", "air")
_POINTS: Final = 3000
"""Points of all groups together in one panel."""


def group_curves(members: list[Group], runs: Runs) -> dict[str, Any]:
    """Return the labels of the quantities, and the curves of every group.

    ``runs`` has the runs in the order of the page; a group names its runs by their places.
    """
    places = {id(run): place for place, run in enumerate(runs)}
    points = int(np.clip(_POINTS // len(members), 30, 200))
    window = window_of(list(runs)) if len(runs) else 1
    return {
        "labels": {name: _label(name, members, window=window) for name in SHOWN},
        "groups": [
            {
                "name": group.name,
                "runs": [places[id(run)] for run in group.runs],
                "coverage": band_coverage([len(group.runs)]),
                "curves": {name: _curves(group, name, window, points=points) for name in SHOWN},
            }
            for group in members
        ],
    }


def _label(name: str, members: list[Group], *, window: int) -> str:
    quantity = QUANTITIES[name]
    statistics = {statistic_of(quantity, group.runs) for group in members}
    label = statistic_label(quantity.label, "median" if "median" in statistics else "mean")
    return f"{label}, mean of {window} rounds" if quantity.noisy and window > 1 else label


def _curves(group: Group, name: str, window: int, *, points: int) -> dict[str, Any] | None:
    """Return the curve of one quantity on every axis; None if the group has no value."""
    drawn = {
        axis: curve(group.runs, QUANTITIES[name], axis, window=window, points=points)
        for axis in _AXES
    }
    return {axis: _arrays(entry, points) for axis, entry in drawn.items() if entry} or None


def _arrays(drawn: Curve, points: int) -> dict[str, Any]:
    chosen = evenly_spaced(len(drawn.x), points)
    arrays: dict[str, Any] = {
        "x": numbers(drawn.x[chosen]),
        "center": numbers(drawn.center[chosen]),
    }
    for band in ("interval", "range"):
        edges = drawn.band(band)
        if edges is not None:
            low, high = edges
            arrays[band] = [numbers(low[chosen]), numbers(high[chosen])]
    return arrays
