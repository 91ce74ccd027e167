"""How the devices move: one file a model."""

from netsim.mobility.base import Mobility
from netsim.mobility.static import Static

__all__ = ["Mobility", "Static"]
