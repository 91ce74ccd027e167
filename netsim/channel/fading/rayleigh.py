"""Rayleigh fading."""

from typing import Annotated, Literal, final

from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent, Fading
from netsim.channel.fading.plane_waves import PlaneWaves
from netsim.parameters import CONFIG, source


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Rayleigh(Fading):
    """Rayleigh amplitude: ``|h|^2`` is exponential with mean 1; there is no direct path."""

    kind: Literal["rayleigh"] = "rayleigh"
    correlation: Annotated[PlaneWaves | None, source("cited, Clarke 1968")] = None
    """Plane waves that make the fading a function of position; by default blocks and devices are
    independent.
    """

    @override
    def power_gain(self, diffuse: DiffuseComponent) -> Float[ndarray, "n T"]:
        return diffuse.power()

    @override
    def correlation_model(self) -> PlaneWaves | None:
        return self.correlation
