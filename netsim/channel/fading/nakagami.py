"""Nakagami-m fading."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent, Fading
from netsim.channel.fading.plane_waves import PlaneWaves
from netsim.parameters import CONFIG, source


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Nakagami(Fading):
    """Nakagami amplitude: ``|h|^2`` has the gamma law of shape m and mean 1, its variance is 1/m.

    Nakagami 1960. The power is the gamma quantile of the level that the power of the diffuse
    component has in its exponential law: m = 1 is ``rayleigh``. With plane waves the law at each
    point is exact, and the correlation follows from J0 through the quantiles (the literature has no
    agreed one for general m).
    """

    kind: Annotated[Literal["nakagami"], source("cited, Nakagami 1960")] = "nakagami"
    m: Annotated[float, Field(ge=0.5, strict=True)]
    """Shape m, at least 1/2; a larger m means weaker fading."""
    correlation: Annotated[PlaneWaves | None, source("cited, Clarke 1968")] = None
    """Plane waves that make the fading a function of position; by default blocks and devices are
    independent.
    """

    @override
    def power_gain(self, diffuse: DiffuseComponent) -> Float[ndarray, "n T"]:
        level = -np.expm1(-diffuse.power())
        # Imported at first use: it doubles the start-up of a run.
        from scipy.special import gammaincinv

        return np.asarray(gammaincinv(self.m, level)) / self.m

    @override
    def correlation_model(self) -> PlaneWaves | None:
        return self.correlation
