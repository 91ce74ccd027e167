"""Limits of 95 % intervals for many samples at once; the seeds are on the first axis."""

from typing import Final

import numpy as np
from numpy import ndarray

LEVEL: Final = 0.95


def student(values: ndarray, level: float = LEVEL) -> tuple[ndarray, ndarray, ndarray]:
    """Return the mean over the first axis, and the lower and upper limits of Student's interval.

    ``values`` has shape (seeds, ...); the limits of a single seed are NaN.
    """
    from scipy.special import stdtrit

    seeds = len(values)
    mean = values.mean(axis=0)
    if seeds < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stdtrit(seeds - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / seeds**0.5
    return mean, mean - half, mean + half


def logarithmic(values: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Return the geometric mean over the first axis, and the limits of its interval.

    The interval is Student's of the logarithms. ``values`` has shape (seeds, ...) and is positive.
    """
    mean, low, high = student(np.log(values))
    return np.exp(mean), np.exp(low), np.exp(high)


def sign_test(values: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Return the median over the first axis, and the limits of the interval of the sign test.

    The limits are the k-th smallest and the k-th largest value, for the largest k with which the
    interval covers the median of any continuous law with a probability of at least 95 %. With
    fewer than six seeds there is no such k, and the limits are NaN.
    """
    median = np.median(values, axis=0)
    place, _ = sign_test_place(len(values))
    if place == 0:
        return median, np.full_like(median, np.nan), np.full_like(median, np.nan)
    ordered = np.sort(values, axis=0)
    return median, ordered[place - 1], ordered[len(values) - place]


def sign_test_place(seeds: int) -> tuple[int, float]:
    """Return the place k of the limits of the sign test, and the coverage of the interval.

    k is 0, and the coverage 0, if there are too few seeds.
    """
    from scipy.special import bdtr

    place, coverage = 0, 0.0
    while (reached := 1 - 2 * float(bdtr(place, seeds, 0.5))) >= LEVEL:
        place, coverage = place + 1, reached
    return place, coverage
