"""Path loss: power gain before fading, one file per model."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from netsim.channel.pathloss.base import PathLoss, distance, with_height
from netsim.channel.pathloss.free_space import FreeSpace
from netsim.channel.pathloss.lattice import Devices, LatticeGain
from netsim.channel.pathloss.log_distance import LogDistance
from netsim.channel.pathloss.power_law import PowerLaw
from netsim.channel.pathloss.shadowing import Shadowing
from netsim.channel.pathloss.tr38901 import Tr38901
from netsim.plugin_import import or_plugin

_BuiltIn = Annotated[PowerLaw | FreeSpace | LogDistance | Tr38901, Field(discriminator="kind")]
AnyPathLoss = Annotated[SerializeAsAny[_BuiltIn], or_plugin(PathLoss, "airtune.path_loss")]

__all__ = [
    "AnyPathLoss",
    "Devices",
    "FreeSpace",
    "LatticeGain",
    "LogDistance",
    "PathLoss",
    "PowerLaw",
    "Shadowing",
    "Tr38901",
    "distance",
    "with_height",
]
