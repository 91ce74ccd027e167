"""Placement: initial positions of the devices, one file per distribution."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from netsim.placement.annulus import Annulus
from netsim.placement.base import Placement
from netsim.placement.clusters import Clusters
from netsim.placement.disc import Disc
from netsim.placement.grid import Grid
from netsim.placement.line import Line
from netsim.placement.points import Points
from netsim.plugin_import import or_plugin

_BuiltIn = Annotated[Disc | Annulus | Grid | Clusters | Line | Points, Field(discriminator="kind")]
AnyPlacement = Annotated[SerializeAsAny[_BuiltIn], or_plugin(Placement, "airtune.placement")]

__all__ = ["Annulus", "AnyPlacement", "Clusters", "Disc", "Grid", "Line", "Placement", "Points"]
