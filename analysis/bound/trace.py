"""Theorem 1 for a run: the bound after each round, and its conditions."""

from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from analysis.bound import conditions, recursions
from analysis.bound.conditions import Condition
from analysis.bound.constants import Constants
from analysis.run import Run

Version = Literal["corrected", "printed"]


@final
@dataclass(frozen=True)
class Bound:
    """Bound on the optimality gap of a run: one row per round from 0, and the conditions."""

    version: Version
    table: pd.DataFrame
    conditions: list[Condition]


def of_run(run: Run, constants: Constants, version: Version = "corrected") -> Bound:
    """Return the bound of a run.

    ``corrected`` averages over the devices that arrived and lets every scheduled head step, which
    can only add noise. ``printed`` uses the number of scheduled devices.
    """
    rounds = run.arrays("rounds", "scheduled", "arrived")
    scheduled = rounds["scheduled"]
    arrived = rounds["arrived"]
    if version == "printed":
        table = recursions.printed(scheduled, constants)
        return Bound(version, table, conditions.of_printed(run, constants, scheduled))
    table = recursions.corrected(arrived, constants, heads=scheduled)
    return Bound(version, table, conditions.of_corrected(run, constants, arrived))
