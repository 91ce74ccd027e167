"""Correlated diffuse component: a function of position and time."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Complex, Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent
from netsim.channel.fading.plane_waves import WaveField
from netsim.channel.phase import phase


@final
@dataclass(frozen=True)
class Correlated(DiffuseComponent):
    """Field of the plane waves of devices at their positions when each block begins."""

    field: WaveField
    device: slice | Int[ndarray, " n"]
    position_m: Float[ndarray, "n T 2"]
    time_s: Float[ndarray, " T"]
    distance_cycles: Float[ndarray, "n T"]
    """Length of the direct path, in wavelengths."""

    @property
    @override
    def shape(self) -> tuple[int, int]:
        count, blocks = self.position_m.shape[:2]
        return count, blocks

    @override
    def power(self) -> Float[ndarray, "n T"]:
        real, imaginary = self.field.at(self.device, self.position_m, self.time_s)
        return real.astype(float) ** 2 + imaginary.astype(float) ** 2

    @override
    def amplitude(self) -> Complex[ndarray, "n T"]:
        real, imaginary = self.field.at(self.device, self.position_m, self.time_s)
        # The direct path arrives with the phase -2 pi d / lambda. The phase relative to it is
        # larger by 2 pi d / lambda.
        direct = phase(self.distance_cycles)
        return (real.astype(float) + 1j * imaginary) * (np.cos(direct) + 1j * np.sin(direct))
