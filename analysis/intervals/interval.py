"""Confidence interval over seeds: one function per kind of statistic.

Every function takes one value per seed, drops NaN, and returns an ``Interval``. A kind is given
only at numbers of seeds at which it covers at least 93 % in the coverage study; at others the
median stands in, with the interval of the sign test, and below six seeds there is no interval.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np
from numpy import ndarray

from analysis.intervals import limits
from analysis.intervals.study import REACHED

MINIMUM_COVERAGE: Final = 0.93
"""A kind of interval that covers less at a number of seeds is not given there."""
MINIMUM_TAIL_ROUNDS: Final = 20
"""A quantile q over R rounds has Student's interval if R (1 - q) is at least this."""
Kind: TypeAlias = Literal["mean", "quantile", "paired", "log", "median"]
Values: TypeAlias = Sequence[float] | ndarray


@final
@dataclass(frozen=True)
class Interval:
    """Estimate over seeds with its 95 % interval; without an interval the limits are NaN."""

    estimate: float
    """Mean, geometric mean or median over the seeds, by kind; NaN without a seed."""
    low: float
    high: float
    seeds: int
    """Number of seeds with a value."""
    coverage: float | None
    """Coverage reached in the study (sign test: of any law); None without an interval."""
    kind: Kind

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.coverage is not None


@final
@dataclass(frozen=True)
class ConfidenceBand:
    """Pointwise 95 % band of a mean or median curve; without an interval the limits are NaN."""

    estimate: ndarray
    low: ndarray
    high: ndarray
    seeds: int
    """Number of curves."""
    coverage: float | None
    """Coverage at each point, reached in the study; None without an interval."""


def mean_interval(values: Values) -> Interval:
    """Return the mean of a bounded per-seed statistic, with Student's interval.

    For counts of devices, shares, fairness and accuracies; not for times and energies, whose laws
    are skewed (``log_interval``), nor for means that may not exist (``median_interval``).
    """
    return _student(values, "mean")


def quantile_interval(
    values: Values, quantile: float, *, rounds: int, idle_share: float = 0.0
) -> Interval:
    """Return the mean of per-seed quantiles over some rounds, with Student's interval.

    Where the quantile is not smooth, it is their median with the interval of the sign test.
    """
    if not quantile_is_smooth(quantile, rounds=rounds, idle_share=idle_share):
        return median_interval(values)
    return _student(values, "quantile")


def quantile_is_smooth(quantile: float, *, rounds: int, idle_share: float = 0.0) -> bool:
    """Return whether a quantile of the delay over some rounds has about a normal law over seeds.

    It needs 20 rounds beyond it, R (1 - q) >= 20. Rounds without devices have the delay 0, and
    others a delay far above 0: the quantile may jump between the two if the share of the former is
    within three standard errors of q, and is 0 in nearly all runs if it is above q.
    """
    # 200 * (1 - 0.9) is 19.999999999999996 in floating point.
    if round(rounds * (1 - quantile), 9) < MINIMUM_TAIL_ROUNDS:
        return False
    return quantile - idle_share > 3 * (idle_share * (1 - idle_share) / rounds) ** 0.5


def paired_interval(values: Values, baselines: Values | float = 0.0) -> Interval:
    """Return the mean difference of values from baselines of the same seeds, with its interval."""
    return _student(np.asarray(values, float) - np.asarray(baselines, float), "paired")


def log_interval(values: Values) -> Interval:
    """Return the geometric mean of a positive, skewed statistic, with its interval.

    The interval is Student's on the logarithmic scale. If a value is not positive, it is the median
    with the interval of the sign test.
    """
    known = _known(values)
    if not (known > 0).all():
        return median_interval(known)
    return _interval(known, "log")


def median_interval(values: Values) -> Interval:
    """Return the median with the interval of the sign test, which needs at least six seeds."""
    known = _known(values)
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, seeds=0, coverage=None, kind="median")
    median, low, high = map(float, limits.sign_test(known))
    coverage = limits.sign_test_place(len(known))[1] or None
    return Interval(median, low, high, seeds=len(known), coverage=coverage, kind="median")


def mean_band(curves: ndarray) -> ConfidenceBand:
    """Return the pointwise mean of curves of shape (seeds, points), with Student's 95 % band."""
    mean, low, high = limits.student(np.asarray(curves, float))
    coverage = reached("mean", len(curves))
    if coverage is None:
        low, high = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return ConfidenceBand(mean, low, high, seeds=len(curves), coverage=coverage)


def median_band(curves: ndarray) -> ConfidenceBand:
    """Return the pointwise median of curves of shape (seeds, points), with the sign test's band."""
    median, low, high = limits.sign_test(np.asarray(curves, float))
    coverage = limits.sign_test_place(len(curves))[1] or None
    return ConfidenceBand(median, low, high, seeds=len(curves), coverage=coverage)


def band_coverage(seeds: Iterable[int]) -> float | None:
    """Return the minimum coverage of the intervals of means and medians at numbers of seeds.

    It is None if there is no interval at any of them.
    """
    counts = list(seeds)
    means = [reached("mean", count) for count in counts]
    medians = [limits.sign_test_place(count)[1] or None for count in counts]
    return min((entry for entry in [*means, *medians] if entry is not None), default=None)


def reached(kind: str, seeds: int) -> float | None:
    """Return the coverage of a kind at a number of seeds; None where it is too low or unknown.

    Between two numbers of seeds of the study it is the lower of the two coverages.
    """
    studied = REACHED[kind]
    fewer = [count for count in studied if count <= seeds]
    more = [count for count in studied if count >= seeds]
    if not fewer:
        return None
    coverage = min(studied[max(fewer)], studied[min(more, default=max(fewer))])
    return coverage if coverage >= MINIMUM_COVERAGE else None


def _student(values: Values, kind: Kind) -> Interval:
    return _interval(_known(values), kind)


def _interval(known: ndarray, kind: Kind) -> Interval:
    """Return the interval of its kind, or that of the median where the kind covers too little."""
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, seeds=0, coverage=None, kind=kind)
    coverage = reached(kind, len(known))
    if coverage is None and limits.sign_test_place(len(known))[0]:
        return median_interval(known)
    compute = limits.logarithmic if kind == "log" else limits.student
    estimate, low, high = map(float, compute(known))
    if coverage is None:
        low = high = np.nan
    return Interval(estimate, low, high, seeds=len(known), coverage=coverage, kind=kind)


def _known(values: Values) -> ndarray:
    numbers = np.asarray(values, float)
    known: ndarray = numbers[~np.isnan(numbers)]
    return known
