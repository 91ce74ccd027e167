"""Bandwidth allocation: minimum common delay of a set of devices, and their bandwidth demand."""

from netsim.allocation.common_delay import bandwidth_for_delay, min_delay

__all__ = ["bandwidth_for_delay", "min_delay"]
