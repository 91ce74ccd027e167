"""Second computation of the reproduction's statistics, with pandas and SciPy only.

Nothing here imports ``analysis`` or ``reproduction``: a mistake there is not repeated here.
"""

import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy import ndarray
from scipy import stats

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FOLDER: Final = ROOT / "docs" / "reproduction"
POLICY: Final = "scheduler.kind"
LONG: Final = "rounds_over_queue"
BUDGET: Final = "scheduler.delay_budget_s_per_bit"


def stored() -> dict[str, pd.DataFrame]:
    """Return all stored tables of the reproduction by their names."""
    return {path.stem: pd.read_csv(path) for path in FOLDER.rglob("*.csv")}


def claims() -> dict[str, Any]:
    """Return the claims as they stand in the file."""
    return tomllib.loads((ROOT / "reproduction" / "claims.toml").read_text(encoding="utf-8"))


def rows_of(tables: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """Return the rows of the runs ``stage/variant/policy/further value``, by seed."""
    stage, variant, policy, *further = name.split("/")
    table = tables[stage]
    rows = table[(table["variant"] == variant) & (table[POLICY] == policy)]
    if further:
        key = BUDGET if BUDGET in table else "scheduler.order"
        rows = rows[rows[key].astype(str) == further[0]]
    assert len(rows), name
    return rows.set_index("seed").sort_index()


def difference(tables: dict[str, pd.DataFrame], contrast: dict[str, Any]) -> ndarray:
    """Return the difference of a contrast in each seed that all of its runs have."""
    measure = contrast["measure"]
    total: pd.Series[float] | float = 0.0
    for name in contrast["plus"]:
        total = rows_of(tables, name)[measure] + total
    for name in contrast.get("minus", []):
        total = total - rows_of(tables, name)[measure]
    assert isinstance(total, pd.Series)
    return total.dropna().to_numpy()


def is_long(tables: dict[str, pd.DataFrame], name: str) -> bool:
    """Return whether a round took longer than the queue before it in half of the runs or more."""
    rows = rows_of(tables, name)
    if LONG not in rows or rows[LONG].isna().all():
        return False
    return float((rows[LONG] > 0).mean()) >= 0.5


def any_long(tables: dict[str, pd.DataFrame], contrast: dict[str, Any]) -> bool:
    """Return whether some runs of a contrast have long rounds: then the sign test judges it."""
    return any(is_long(tables, name) for name in (*contrast["plus"], *contrast.get("minus", [])))


def student(values: ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean with the interval of Student's t."""
    if np.ptp(values) == 0:
        return values[0], values[0], values[0]
    low, high = stats.t.interval(level, len(values) - 1, values.mean(), stats.sem(values))
    return float(values.mean()), float(low), float(high)


def geometric(values: ndarray) -> tuple[float, float, float]:
    """Return the geometric mean with the interval of Student's t of the logarithms."""
    _, low, high = student(np.log(values))
    return float(stats.gmean(values)), float(np.exp(low)), float(np.exp(high))


def median(values: ndarray) -> tuple[float, float, float]:
    """Return the median with the interval of the sign test."""
    place = _place(len(values), 0.025)
    if place == 0:
        return float(np.median(values)), np.nan, np.nan
    ordered = sorted(values)
    return float(np.median(values)), float(ordered[place - 1]), float(ordered[-place])


def _place(count: int, tail: float) -> int:
    """Return the place of the lower limit of the sign test, 0 without one."""
    # The binomial quantile is the first place above the tail: the limit before it is safe.
    place = int(stats.binom.ppf(tail, count, 0.5))
    return place + 1 if stats.binom.cdf(place, count, 0.5) <= tail else place


def family(
    members: dict[str, Sequence[ndarray]], by_sign: Collection[str] = ()
) -> dict[str, tuple[float, float, float, str]]:
    """Return p, simultaneous limits and verdict of each claim, from one-sample t-tests.

    The contrasts ``claim/place`` in ``by_sign`` have sign tests. Two Holm procedures at 2.5 % each:
    all differences of a claim are positive (largest p-value), one of them is negative (Bonferroni
    over them).
    """
    names = list(members)
    tests = {
        name: [
            (values, (_sign_p, _sign_limit) if f"{name}/{place}" in by_sign else (p_above, _limit))
            for place, values in enumerate(members[name])
        ]
        for name in names
    }
    above = np.array([max(p(values) for values, (p, _) in tests[name]) for name in names])
    below = np.array(
        [
            min(1.0, len(tests[name]) * min(p(-values) for values, (p, _) in tests[name]))
            for name in names
        ]
    )
    holds, fails = _holm(above), _holm(below)
    open_above, open_below = int((holds > 0.025).sum()), int((fails > 0.025).sum())
    results = {}
    for name, hold, fail in zip(names, holds, fails, strict=True):
        contrasts = tests[name]
        tail = 0.025 / (open_above or len(names))
        low = min(limit(values, tail) for values, (_, limit) in contrasts)
        share = 0.025 / (open_below or len(names)) / len(contrasts)
        high = min(-limit(-values, share) for values, (_, limit) in contrasts)
        verdict = "undecided"
        if hold <= 0.025:
            verdict, low = "held", 0.0 if open_above else max(0.0, low)
        elif fail <= 0.025:
            verdict, high = "not held", 0.0 if open_below else min(0.0, high)
        results[name] = (min(1.0, 2 * min(hold, fail)), low, high, verdict)
    return results


def p_above(values: ndarray) -> float:
    """Return the one-sided p-value of a positive mean."""
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)


def _sign_p(values: ndarray) -> float:
    """Return the one-sided p-value of a positive median."""
    return float(
        stats.binomtest(int((values > 0).sum()), len(values), 0.5, alternative="greater").pvalue
    )


def _sign_limit(values: ndarray, tail: float) -> float:
    place = _place(len(values), tail)
    return float(sorted(values)[place - 1]) if place else -np.inf


def _limit(values: ndarray, tail: float) -> float:
    return float(values.mean() - stats.t.isf(tail, len(values) - 1) * stats.sem(values))


def _holm(p: ndarray) -> ndarray:
    order = np.argsort(p)
    steps = np.minimum(1.0, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
