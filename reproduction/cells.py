"""Cells of the page's tables: estimates over seeds with their 95 % intervals and coverage."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from analysis.groups import policy_name as label
from analysis.intervals import DELAY_SUMS, Interval, Judgement, metric_interval
from reproduction.laws import DelayLaw
from reproduction.verdicts import ClaimResult, ContrastResult

_MARKS: Final = {"median": " *m*", "log": " *g*"}
"""Marks of estimates that are no means: a median, a geometric mean."""


def estimate(measure: str, rows: pd.DataFrame, law: DelayLaw) -> Interval | None:
    """Return a measure of some runs over their seeds; None if they have no such measure.

    The estimate of a mean delay that does not exist is NaN.
    """
    missing = measure == "delay_mean_s" and not law.has_mean
    if not missing and (measure not in rows or rows[measure].isna().all()):
        return None
    values = np.full(len(rows), np.nan) if missing else rows[measure].to_numpy(float)
    rounds = rows["rounds"].to_numpy(int)
    return metric_interval(
        measure,
        values,
        heavy_tail=measure in DELAY_SUMS and not law.has_variance,
        long_rounds=law.long_rounds,
        rounds=int(rounds.min()),
        idle_share=float(rows["rounds_without_devices"].sum() / rounds.sum()),
    )


def cell(interval: Interval | None) -> str:
    """Return the text of an estimate: its value, its mark if it is no mean, and its interval."""
    if interval is None:
        return ""
    if not interval.seeds:
        return "no mean"
    mark = _MARKS.get(interval.kind, "")
    if not interval.known or interval.low == interval.high:
        return f"{interval.estimate:.4g}{mark}"
    return f"{interval.estimate:.4g}{mark} ({interval.low:.4g} to {interval.high:.4g})"


def coverages(intervals: Sequence[Interval | None]) -> str:
    """Return the coverages that the intervals of a column reached in the coverage study."""
    known = {
        f"{entry.coverage:.3g}{_MARKS.get(entry.kind, '')}": None
        for entry in intervals
        if entry is not None and entry.coverage is not None and entry.low != entry.high
    }
    return ", ".join(sorted(known))


def difference(result: ContrastResult) -> str:
    """Return the text of a contrast: its runs, estimate, single interval, seeds, coverage."""
    both = (result.contrast.plus, result.contrast.minus)
    apart = len({name.split("/")[1] for names in both for name in names}) > 1
    plus, minus = (_short(names, apart=apart) for names in both)
    name = f"{plus} − {minus}" if minus else plus
    interval = result.interval
    if not interval.seeds:
        return f"{name}: not run"
    limits = f"{interval.low:.3g} to {interval.high:.3g}; " if interval.known else ""
    coverage = f"; {interval.coverage:.3g}" if interval.known else ""
    mark = _MARKS.get(interval.kind, "")
    return f"{name}: {interval.estimate:.3g}{mark} ({limits}{interval.seeds}{coverage})"


def judged(result: ClaimResult) -> str:
    """Return the last three cells of a claim: p-value, simultaneous interval, verdict."""
    if result.judgement is None:
        return " | | **not run**"
    earlier = f" (then: {result.claim.earlier})" if result.claim.earlier else ""
    return f"{_judgement(result.judgement)}{earlier}"


def _judgement(judgement: Judgement) -> str:
    p = f"{judgement.p:.2g}" if judgement.p >= 1e-4 else "< 0.0001"
    limits = f"{judgement.low:.3g} to {judgement.high:.3g}"
    if np.isinf(judgement.low) and np.isinf(judgement.high):
        limits = ""
    return f"{p} | {limits} | **{judgement.verdict}**"


def runs_label(name: str) -> str:
    """Return the text of the runs ``variant/policy/further values``."""
    return ", ".join(label(part) for part in name.split("/") if part != "all" and ":" not in part)


def _short(names: list[str], *, apart: bool) -> str:
    """Return the names of runs, with their variants if the runs of one difference differ in it."""
    parts = [runs_label("/".join(name.split("/")[1 if apart else 2 :])) for name in names]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})" if parts else ""
