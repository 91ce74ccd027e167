"""Confidence intervals over seeds, with the coverage that each reached in the coverage study."""

from analysis.intervals.by_metric import DELAY_SUMS, metric_difference, metric_interval
from analysis.intervals.family import Differences, Judgement, judge_family
from analysis.intervals.interval import (
    ConfidenceBand,
    Interval,
    band_coverage,
    log_interval,
    mean_band,
    mean_interval,
    median_band,
    median_interval,
    paired_interval,
    quantile_interval,
)

__all__ = [
    "DELAY_SUMS",
    "ConfidenceBand",
    "Differences",
    "Interval",
    "Judgement",
    "band_coverage",
    "judge_family",
    "log_interval",
    "mean_band",
    "mean_interval",
    "median_band",
    "median_interval",
    "metric_difference",
    "metric_interval",
    "paired_interval",
    "quantile_interval",
]
