"""Law of the round delay in the runs of a table: existence of its mean and of its variance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from analysis.heavy_tails import mean_exists, variance_exists
from coupling import Scenario
from reproduction.stages import StagePlan, settings_of

_ROOT: Final = Path(__file__).resolve().parent.parent


@final
@dataclass(frozen=True)
class DelayLaw:
    """Existence of the moments of the round delay."""

    has_mean: bool = True
    has_variance: bool = True


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
        mean_exists(tables, always_all=always_all), variance_exists(tables, always_all=always_all)
    )
