"""Alias of the Shannon rate and the delay solver, kept for code written before they were two
packages.
"""

from netsim.allocation.common_delay import bandwidth_for_delay, min_delay
from netsim.link.shannon import capacity_floor, rate

__all__ = ["bandwidth_for_delay", "capacity_floor", "min_delay", "rate"]
