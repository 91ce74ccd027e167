"""Availability of the devices over time, one file per model."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from netsim.availability.always import Always
from netsim.availability.base import Availability, AvailabilityProcess
from netsim.availability.markov import Markov
from netsim.availability.trace import AvailabilityTrace
from netsim.plugin_import import or_plugin

_BuiltIn = Annotated[Always | Markov | AvailabilityTrace, Field(discriminator="kind")]
AnyAvailability = Annotated[
    SerializeAsAny[_BuiltIn], or_plugin(Availability, "airtune.availability")
]

__all__ = [
    "Always",
    "AnyAvailability",
    "Availability",
    "AvailabilityProcess",
    "AvailabilityTrace",
    "Markov",
]
