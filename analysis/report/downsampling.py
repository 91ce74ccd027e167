"""Downsampling of a long run for a page: blocks with their range, and evenly spaced samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy import ndarray


@final
@dataclass(frozen=True)
class SizeBudget:
    """Size budget of a run in a report.

    ``points`` per curve, ``rounds`` and ``legs`` in the timeline, ``places`` on the map.
    """

    points: int
    rounds: int
    legs: int
    places: int

    @classmethod
    def per_run(cls, runs: int) -> Self:
        """Return the budget of each of ``runs`` runs; one run has about 0.5 MB of data."""
        return cls(
            points=max(50, min(500, 4000 // runs)),
            rounds=max(10, min(250, 1000 // runs)),
            legs=max(100, 8000 // runs),
            places=max(100, 10_000 // runs),
        )


def block_stats(values: ndarray, per_block: int) -> dict[str, list[float | None]]:
    """Return the mean, minimum and maximum of each block of neighbouring values, without NaN."""
    padded = np.full(-(-len(values) // per_block) * per_block, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(-1, per_block)
    known = ~np.isnan(table).all(axis=1)
    statistics = {name: np.full(len(table), np.nan) for name in ("mean", "low", "high")}
    if known.any():
        statistics["mean"][known] = np.nanmean(table[known], axis=1)
        statistics["low"][known] = np.nanmin(table[known], axis=1)
        statistics["high"][known] = np.nanmax(table[known], axis=1)
    return {name: numbers(column) for name, column in statistics.items()}


def evenly_spaced(count: int, maximum: int) -> ndarray:
    """Return at most ``maximum`` evenly spaced indices below ``count``, with the first and last."""
    if count <= maximum:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, maximum).round().astype(int))


def numbers(values: Sequence[float] | ndarray) -> list[float | None]:
    """Return numbers with six significant digits for JSON; a number that is not finite is null."""
    return [number(value) for value in np.asarray(values, float).tolist()]


def number(value: Any) -> float | None:
    """Return one number with six significant digits; None if it is missing or not finite."""
    if value is None or not np.isfinite(value):
        return None
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
