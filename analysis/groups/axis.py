"""Horizontal axes of curves: rounds, simulated time, time on air, energy."""

from typing import Final, Literal

import numpy as np
from numpy import ndarray

from analysis.errors import TraceError
from analysis.run import Run

Clock = Literal["simulated", "air"]
"""Clock of a run: simulated time, or the time on air, which is the sum of the delays D(t)."""

Axis = Literal["round", "simulated", "air", "energy"]

_LABELS: Final[dict[Axis, str]] = {
    "round": "round",
    "simulated": "simulated time (s)",
    "air": "time on air (s)",
    "energy": "energy of all devices (J)",
}


def axis_label(axis: Axis) -> str:
    """Return the label of an axis with its unit."""
    return _LABELS[axis]


def positions(run: Run, table: str, axis: Axis, *, at_start: bool = False) -> ndarray:
    """Return the place on an axis of each row of ``rounds`` or ``evaluations``.

    Time and energy are those at the end of the round, or at its start; evaluation 0 is before the
    first round.
    """
    if at_start and axis != "round":
        ends = positions(run, table, axis)
        return np.concatenate([[0.0], ends[:-1]])[: len(ends)]
    if axis == "round":
        return run.arrays(table, "round")["round"]
    if axis == "simulated":
        column = "end_s" if table == "rounds" else "time_s"
        return run.arrays(table, column)[column]
    rounds = run.arrays("rounds", "round", "energy_j")
    totals = np.cumsum(rounds["energy_j"]) if axis == "energy" else air_time_s(run)
    if table == "rounds":
        return totals
    evaluated = run.arrays(table, "round")["round"]
    return np.concatenate([[0.0], totals])[np.searchsorted(rounds["round"], evaluated, "right")]


def air_time_s(run: Run) -> ndarray:
    """Return the time on air until the end of each round, in seconds.

    Runs of earlier versions lack the column ``air_time_s``; it is the sum of their delays.
    """
    try:
        return run.arrays("rounds", "air_time_s")["air_time_s"]
    except TraceError:
        return np.cumsum(run.arrays("rounds", "delay_s")["delay_s"])
