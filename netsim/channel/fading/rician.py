"""Rician fading."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent, Fading
from netsim.channel.fading.plane_waves import PlaneWaves
from netsim.parameters import CONFIG, Decibel, source


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Rician(Fading):
    """Rician fading: a direct path and a diffuse component, ``|h|^2 = |sqrt(K) + z|^2 / (K + 1)``.

    z is complex Gaussian with unit power, and K is the power of the direct path over that of the
    diffuse component. The mean is 1 and the variance
    ``(2 K + 1) / (K + 1)^2`` (Simon and Alouini, Digital Communication over Fading Channels,
    section 2.2.1.2).
    """

    kind: Annotated[Literal["rician"], source("cited, Simon and Alouini")] = "rician"
    k_factor_db: Decibel
    """K factor in dB."""
    correlation: Annotated[PlaneWaves | None, source("cited, Clarke 1968")] = None
    """Plane waves that make the fading a function of position; by default blocks and devices are
    independent.
    """

    @override
    def power_gain(self, diffuse: DiffuseComponent) -> Float[ndarray, "n T"]:
        k = 10.0 ** (self.k_factor_db / 10)
        z = diffuse.amplitude()
        return ((np.sqrt(k) + z.real) ** 2 + z.imag**2) / (k + 1)

    @override
    def correlation_model(self) -> PlaneWaves | None:
        return self.correlation
