"""Bandwidth allocation solver: minimum common delay of a set of devices, and the best set."""

from netsim.allocation.common_delay import bandwidth_for_delay, min_delay

__all__ = ["bandwidth_for_delay", "min_delay"]
