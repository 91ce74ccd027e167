"""Fading: variation of the power gain between channel blocks, one file per law."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from netsim.channel.fading.base import DiffuseComponent, Fading
from netsim.channel.fading.constant import ConstantFading
from netsim.channel.fading.correlated import Correlated
from netsim.channel.fading.independent import Independent
from netsim.channel.fading.nakagami import Nakagami
from netsim.channel.fading.plane_waves import PlaneWaves, WaveField
from netsim.channel.fading.rayleigh import Rayleigh
from netsim.channel.fading.rician import Rician
from netsim.plugin_import import or_plugin

_BuiltIn = Annotated[ConstantFading | Rayleigh | Rician | Nakagami, Field(discriminator="kind")]
AnyFading = Annotated[SerializeAsAny[_BuiltIn], or_plugin(Fading, "airtune.fading")]

__all__ = [
    "AnyFading",
    "ConstantFading",
    "Correlated",
    "DiffuseComponent",
    "Fading",
    "Independent",
    "Nakagami",
    "PlaneWaves",
    "Rayleigh",
    "Rician",
    "WaveField",
]
