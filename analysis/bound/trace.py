"""Theorem 1 for a run: the bound after each of its rounds, and the conditions."""

from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from analysis.bound import conditions, recursions
from analysis.bound.conditions import Condition
from analysis.bound.constants import Constants
from analysis.run_directory import Run

Version = Literal["corrected", "printed"]


@final
@dataclass(frozen=True)
class Bound:
    """A bound on the optimality gap of a run, in parts, one row a round from 0, and its
    conditions.
    """

    version: Version
    table: pd.DataFrame
    conditions: list[Condition]

    @property
    def speaks(self) -> bool:
        """Whether no condition is known to fail."""
        return all(condition.holds is not False for condition in self.conditions)


def of_run(run: Run, constants: Constants, version: Version = "corrected") -> Bound:
    """Return the bound of a run.

    ``corrected`` averages over the devices that arrived and lets every scheduled head step, which
    can only add noise; ``printed`` knows scheduled devices only.
    """
    rounds = run.arrays("rounds", "scheduled", "arrived")
    scheduled, arrived = rounds["scheduled"], rounds["arrived"]
    if version == "printed":
        table = recursions.printed(scheduled, constants)
        return Bound(version, table, conditions.of_printed(run, constants, scheduled))
    table = recursions.corrected(arrived, constants, heads=scheduled)
    return Bound(version, table, conditions.of_corrected(run, constants, arrived))
