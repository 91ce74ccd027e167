"""How the power gain varies from one channel block to the next: one file a law."""

from typing import Annotated

from pydantic import Field

from netsim.fading.base import Fading
from netsim.fading.constant import Constant
from netsim.fading.rayleigh import Rayleigh

AnyFading = Annotated[Constant | Rayleigh, Field(discriminator="kind")]

__all__ = ["AnyFading", "Constant", "Fading", "Rayleigh"]
