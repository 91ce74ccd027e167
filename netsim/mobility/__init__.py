"""Mobility: movement of the devices, one file per model."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from netsim.mobility.base import Mobility, Trajectories
from netsim.mobility.gauss_markov import GaussMarkov
from netsim.mobility.random_waypoint import RandomWaypoint
from netsim.mobility.road import Road
from netsim.mobility.static import Static, Stationary
from netsim.mobility.sumo import Sumo
from netsim.mobility.trace import PositionTrace
from netsim.plugin_import import or_plugin

_BuiltIn = Annotated[
    Static | RandomWaypoint | GaussMarkov | Road | PositionTrace | Sumo, Field(discriminator="kind")
]
AnyMobility = Annotated[SerializeAsAny[_BuiltIn], or_plugin(Mobility, "airtune.mobility")]

__all__ = [
    "AnyMobility",
    "GaussMarkov",
    "Mobility",
    "PositionTrace",
    "RandomWaypoint",
    "Road",
    "Static",
    "Stationary",
    "Sumo",
    "Trajectories",
]
