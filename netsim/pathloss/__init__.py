"""How much power survives the way, before fading: one file a model."""

from netsim.pathloss.base import PathLoss
from netsim.pathloss.power_law import PowerLaw

__all__ = ["PathLoss", "PowerLaw"]
