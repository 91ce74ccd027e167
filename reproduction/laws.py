"""Law of the round delay in the runs of a table: its mean, its variance, and long rounds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from analysis.comparison import in_half
from analysis.heavy_tails import mean_exists, variance_exists
from coupling import Scenario
from reproduction.stages import StagePlan, settings_of

LONG: Final = "rounds_over_queue"
"""Measure of a policy that takes every device while its queue is empty; others have none."""
_ROOT: Final = Path(__file__).resolve().parent.parent


@final
@dataclass(frozen=True)
class DelayLaw:
    """Existence of the moments of the round delay, and its long rounds."""

    has_mean: bool = True
    has_variance: bool = True
    long_rounds: bool = False
    """Whether single rounds decide how long the devices are silent."""


def delay_law(plan: StagePlan, stage: str, variant: str, rows: pd.DataFrame) -> DelayLaw:
    """Return the law of the runs in some rows of a table, which differ only in the seed."""
    if stage not in plan.stages:
        return DelayLaw()
    first = rows.iloc[0]
    keys: dict[str, Any] = {
        str(name): first[name]
        for name in rows.columns
        if "." in str(name) and first[name] == first[name]
    }
    settings = settings_of(plan, stage, variant, scale="cpu", data=None)
    file = plan.stages[stage].variants[variant].scenario or plan.stages[stage].scenario
    scenario = Scenario.load(_ROOT / file, settings | keys)
    count = scenario.devices.count
    always_all = bool((rows["scheduled_mean"] == count).all())
    tables = scenario.tables()
    return DelayLaw(
        mean_exists(tables, always_all=always_all),
        variance_exists(tables, always_all=always_all),
        long_rounds=LONG in rows and in_half(list(rows[LONG] > 0)),
    )
