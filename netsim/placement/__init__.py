"""Where the devices stand when the simulation starts: one file a distribution."""

from netsim.placement.base import Placement
from netsim.placement.disc import Disc

__all__ = ["Disc", "Placement"]
