"""How the power gain varies from one channel block to the next: one file a law."""

from typing import Annotated

from pydantic import Field

from netsim.fading.base import Fading, Scatter
from netsim.fading.constant import Constant
from netsim.fading.correlated import Correlated
from netsim.fading.independent import Independent
from netsim.fading.nakagami import Nakagami
from netsim.fading.plane_waves import PlaneWaves, WaveField
from netsim.fading.rayleigh import Rayleigh
from netsim.fading.rician import Rician

AnyFading = Annotated[Constant | Rayleigh | Rician | Nakagami, Field(discriminator="kind")]

__all__ = [
    "AnyFading",
    "Constant",
    "Correlated",
    "Fading",
    "Independent",
    "Nakagami",
    "PlaneWaves",
    "Rayleigh",
    "Rician",
    "Scatter",
    "WaveField",
]
