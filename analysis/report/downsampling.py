"""How a long run fits into a page without showing what did not happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy import ndarray


@final
@dataclass(frozen=True)
class SizeBudget:
    """What each run of a report may take: points of a curve, rounds and legs of the timeline,
    places of the map.
    """

    points: int
    rounds: int
    legs: int
    places: int

    @classmethod
    def of(cls, runs: int) -> Self:
        """Return the room of one of so many runs; a report of one run has about 0.5 MB of data."""
        return cls(
            points=max(50, min(500, 4000 // runs)),
            rounds=max(10, min(250, 1000 // runs)),
            legs=max(100, 8000 // runs),
            places=max(100, 10_000 // runs),
        )


def block_stats(values: ndarray, per_block: int) -> dict[str, list[float | None]]:
    """Return mean, lowest and highest of every ``per_block`` neighbouring values; NaN counts for
    nothing.
    """
    padded = np.full(-(-len(values) // per_block) * per_block, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(-1, per_block)
    some = ~np.isnan(table).all(axis=1)
    found = {name: np.full(len(table), np.nan) for name in ("mean", "low", "high")}
    if some.any():
        found["mean"][some] = np.nanmean(table[some], axis=1)
        found["low"][some] = np.nanmin(table[some], axis=1)
        found["high"][some] = np.nanmax(table[some], axis=1)
    return {name: numbers(column) for name, column in found.items()}


def evenly_spaced(count: int, most: int) -> ndarray:
    """Return at most ``most`` indices among ``count``, evenly spread, the first and the last among
    them.
    """
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def numbers(values: Sequence[float] | ndarray) -> list[float | None]:
    """Return numbers with six significant digits for JSON; what is not finite becomes null."""
    return [number(value) for value in np.asarray(values, float).tolist()]


def number(value: Any) -> float | None:
    """Return one number with six significant digits; null where it is missing or not finite."""
    if value is None or not np.isfinite(value):
        return None
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
