"""Availability of the devices over time, one file per model."""

from typing import Annotated

from pydantic import Field

from netsim.availability.always import Always
from netsim.availability.base import Availability, AvailabilityProcess
from netsim.availability.markov import Markov
from netsim.availability.trace import AvailabilityTrace

AnyAvailability = Annotated[Always | Markov | AvailabilityTrace, Field(discriminator="kind")]

__all__ = [
    "Always",
    "AnyAvailability",
    "Availability",
    "AvailabilityProcess",
    "AvailabilityTrace",
    "Markov",
]
