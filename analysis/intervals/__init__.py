"""Confidence intervals over seeds, with the coverage that each reached in the coverage study."""

from analysis.intervals.interval import (
    ConfidenceBand,
    Interval,
    log_interval,
    mean_band,
    mean_interval,
    median_interval,
    paired_interval,
    quantile_interval,
)

__all__ = [
    "ConfidenceBand",
    "Interval",
    "log_interval",
    "mean_band",
    "mean_interval",
    "median_interval",
    "paired_interval",
    "quantile_interval",
]
