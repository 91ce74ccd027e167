"""Family of claims: Holm's verdicts, and simultaneous 95 % intervals that agree with them.

A claim says that all of its differences are positive; an ordering A > B > C has the differences
A - B and B - C. Its ``smallest difference`` is above 0 if the claim is true. A family is judged by
two step-down procedures of Holm (1979) at 2.5 % each: for claims that hold, where the p-value of a
claim is the largest of its differences' (an intersection-union test), and for claims that are
false, where it is the smallest times their number (Bonferroni). The intervals are those that belong
to the two procedures (Strassburger and Bretz 2008, Guilbaud 2008): with a probability of 95 % all
of them are right together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np
from numpy import ndarray

from analysis.intervals.interval import reached

Verdict: TypeAlias = Literal["held", "not held", "undecided"]
TAIL: Final = 0.025
"""Probability of a wrong verdict in one direction, over the whole family."""


@final
@dataclass(frozen=True)
class Judgement:
    """Verdict on one claim of a family, at a family-wise error of 5 %."""

    p: float
    """Two-sided p-value after Holm, at most 1."""
    low: float
    """Lower simultaneous limit of the smallest difference; 0 where Holm gives no more than that."""
    high: float
    """Upper simultaneous limit of the smallest difference."""
    verdict: Verdict


@final
@dataclass(frozen=True)
class Differences:
    """Paired differences of one contrast of a claim, one per seed."""

    values: ndarray
    by_median: bool = False
    """Whether the sign test of the median judges them, for laws without a variance."""

    def p_above(self) -> float:
        """Return the one-sided p-value of a positive mean, or median."""
        from scipy.special import bdtr, stdtr

        if self.by_median:
            not_above = int((self.values <= 0).sum())
            return float(bdtr(not_above, len(self.values), 0.5))
        mean, error = self._mean_and_error()
        if error == 0:
            return 0.0 if mean > 0 else 1.0
        return float(stdtr(len(self.values) - 1, -mean / error))

    def lower_limit(self, tail: float) -> float:
        """Return the lower confidence limit that is wrong with a probability of ``tail``."""
        from scipy.special import bdtr, stdtrit

        if self.by_median:
            places = np.arange(len(self.values))
            below = int((bdtr(places, len(self.values), 0.5) <= tail).sum())
            return float(np.sort(self.values)[below - 1]) if below else -np.inf
        mean, error = self._mean_and_error()
        return mean + float(stdtrit(len(self.values) - 1, tail)) * error

    def reversed(self) -> "Differences":
        """Return the differences with the opposite sign."""
        return Differences(-self.values, by_median=self.by_median)

    def known(self) -> "Differences":
        """Return the differences without those that are NaN."""
        return Differences(self.values[~np.isnan(self.values)], by_median=self.by_median)

    def _mean_and_error(self) -> tuple[float, float]:
        seeds = len(self.values)
        return float(self.values.mean()), float(self.values.std(ddof=1)) / seeds**0.5


def judge_family(claims: Mapping[str, Sequence[Differences]]) -> dict[str, Judgement]:
    """Return the judgement on each claim, given the paired differences of its contrasts.

    A claim without contrasts, or with one that has too few seeds for a test, is undecided and
    counts as one claim of the family.
    """
    known = {
        name: [entry.known() for entry in contrasts]
        for name, contrasts in claims.items()
        if contrasts and all(_enough(entry.known()) for entry in contrasts)
    }
    count = len(claims)
    above = {name: max(entry.p_above() for entry in known[name]) for name in known}
    below = {
        name: min(1.0, len(known[name]) * min(entry.reversed().p_above() for entry in known[name]))
        for name in known
    }
    holds, fails = _holm(above, count), _holm(below, count)
    # Number of claims that each procedure has not decided.
    left_above = count - sum(p <= TAIL for p in holds.values())
    left_below = count - sum(p <= TAIL for p in fails.values())
    judgements = {}
    for name in claims:
        if name not in known:
            judgements[name] = Judgement(1.0, -np.inf, np.inf, "undecided")
            continue
        held, refuted = holds[name] <= TAIL, fails[name] <= TAIL
        low = min(entry.lower_limit(TAIL / (left_above or count)) for entry in known[name])
        if held:
            low = 0.0 if left_above else max(low, 0.0)
        share = TAIL / (left_below or count) / len(known[name])
        high = min(-entry.reversed().lower_limit(share) for entry in known[name])
        if refuted:
            high = 0.0 if left_below else min(high, 0.0)
        judgements[name] = Judgement(
            p=min(1.0, 2 * min(holds[name], fails[name])),
            low=low,
            high=high,
            verdict="held" if held else "not held" if refuted else "undecided",
        )
    return judgements


def _holm(p_values: Mapping[str, float], count: int) -> dict[str, float]:
    """Return the p-values after Holm's correction for ``count`` claims."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (count - place) * p_values[name]))
        adjusted[name] = largest
    return adjusted


def _enough(differences: Differences) -> bool:
    seeds = len(differences.values)
    return seeds > 0 if differences.by_median else reached("paired", seeds) is not None
