"""Alias of the Shannon rate and the allocation solver, for code written before their split."""

from netsim.allocation.common_delay import bandwidth_for_delay, min_delay
from netsim.link.shannon import capacity_floor, rate

__all__ = ["bandwidth_for_delay", "capacity_floor", "min_delay", "rate"]
