"""Interval of a metric over seeds: each metric has the kind of interval that fits its law."""

from typing import Final

import numpy as np

from analysis.intervals.interval import (
    Interval,
    Kind,
    Values,
    log_interval,
    mean_interval,
    median_interval,
    paired_interval,
    quantile_interval,
    quantile_is_smooth,
)

KINDS: Final[dict[str, Kind]] = {
    "scheduled_mean": "mean",
    "arrived_mean": "mean",
    "scheduled_log": "mean",
    "accuracy": "mean",
    "accuracy_last": "mean",
    "accuracy_curve": "mean",
    "accuracy_trained": "mean",
    "accuracy_spread": "mean",
    "accuracy_in_time": "mean",
    "accuracy_equal_bits": "mean",
    "accuracy_equal_time_s": "mean",
    "accuracy_equal_energy_j": "mean",
    "nearer_m": "mean",
    "energy_j": "log",
    "train_loss": "log",
    "delay_median_s": "quantile",
}
"""Kinds of metrics; any other metric has a median: its law is unknown, or has ties and skew."""
DELAY_SUMS: Final = (
    "delay_mean_s",
    "energy_j",
    "simulated_s",
    "air_time_s",
    "virtual_queue_s",
    "virtual_queue_per_budget",
)
"""Metrics that are sums of delays: without a variance of the delay they have none either."""
TIED: Final = ("arrived_share", "virtual_queue_s", "virtual_queue_per_budget")
"""Metrics whose differences have medians, too: losses, or a queue, in some seeds only."""


def metric_interval(
    metric: str,
    values: Values,
    *,
    heavy_tail: bool = False,
    long_rounds: bool = False,
    rounds: int = 0,
    idle_share: float = 0.0,
) -> Interval:
    """Return the estimate of a metric over seeds, with the interval of its kind.

    ``heavy_tail`` says that the delay has no variance, so that sums of delays have medians;
    ``long_rounds``, that rounds of many budgets silence the devices: then all metrics have medians.
    ``rounds`` and ``idle_share``, the share of rounds without devices, are for quantiles.
    """
    by_median = long_rounds or (heavy_tail and metric in DELAY_SUMS)
    kind = "median" if by_median else KINDS.get(metric, "median")
    match kind:
        case "mean":
            return mean_interval(values)
        case "log":
            return log_interval(values)
        case "quantile":
            return quantile_interval(values, 0.5, rounds=rounds, idle_share=idle_share)
        case _:
            return median_interval(values)


def metric_difference(
    metric: str,
    differences: Values,
    *,
    heavy_tail: bool = False,
    long_rounds: bool = False,
    rounds: int = 0,
    idle_share: float = 0.0,
) -> Interval:
    """Return the paired difference of a metric, with its interval; arguments as above.

    It is the median of the differences, with the interval of the sign test, for virtual queues,
    where their mean may not exist, or where the quantile may jump.
    """
    jumps = KINDS.get(metric) == "quantile" and not quantile_is_smooth(
        0.5, rounds=rounds, idle_share=idle_share
    )
    if long_rounds or jumps or metric in TIED or (heavy_tail and metric in DELAY_SUMS):
        return median_interval(np.asarray(differences, float))
    return paired_interval(differences)
