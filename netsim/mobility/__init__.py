"""How the devices move: one file a model."""

from typing import Annotated

from pydantic import Field

from netsim.mobility.base import Mobility, Motion
from netsim.mobility.gauss_markov import GaussMarkov
from netsim.mobility.random_waypoint import RandomWaypoint
from netsim.mobility.road import Road
from netsim.mobility.static import Rest, Static
from netsim.mobility.sumo import Sumo
from netsim.mobility.trace import Trace

AnyMobility = Annotated[
    Static | RandomWaypoint | GaussMarkov | Road | Trace | Sumo, Field(discriminator="kind")
]

__all__ = [
    "AnyMobility",
    "GaussMarkov",
    "Mobility",
    "Motion",
    "RandomWaypoint",
    "Rest",
    "Road",
    "Static",
    "Sumo",
    "Trace",
]
