"""How much power survives the way, before fading: one file a model."""

from typing import Annotated

from pydantic import Field

from netsim.pathloss.base import PathLoss, distance
from netsim.pathloss.free_space import FreeSpace
from netsim.pathloss.log_distance import LogDistance
from netsim.pathloss.power_law import PowerLaw
from netsim.pathloss.shadowing import Shadowing
from netsim.pathloss.tr38901 import Tr38901

AnyPathLoss = Annotated[PowerLaw | FreeSpace | LogDistance | Tr38901, Field(discriminator="kind")]

__all__ = [
    "AnyPathLoss",
    "FreeSpace",
    "LogDistance",
    "PathLoss",
    "PowerLaw",
    "Shadowing",
    "Tr38901",
    "distance",
]
