"""Log-normal shadowing as a field over the plane."""

from typing import Final, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass

from netsim.parameters import CONFIG, Positive, Spread
from netsim.streams import Streams, uniform
from netsim.waves import phase

_WAVES: Final = 256


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Shadowing:
    """Shadow in decibel: a zero-mean field over position with correlation ``exp(-distance / d_cor)``.

    The correlation is Gudmundson's (Electronics Letters 27(23), 1991). The field is a sum of 256 plane waves of
    equal amplitude and random phase whose wave numbers follow the spectrum of that correlation in the plane,
    ``P(|k| < kappa) = 1 - 1 / sqrt(1 + (kappa d_cor)^2)``, one from each 256th part of it, in random directions.
    Its mean over the plane is 0 and its variance ``sigma_db^2`` in every world. Approximate are: the law at a
    point (normal but for a kurtosis of -0.006), and the correlation in one world (exact over all worlds; the 256
    waves leave an error of at most ``1 / sqrt(512)``, or 0.045, in one). Devices at one place share their
    shadow. Moving devices cost 256 cosines a query each.
    """

    sigma_db: Spread
    """Standard deviation of the shadow in dB."""
    correlation_m: Positive
    """Distance d_cor in metres at which the correlation is 1/e."""

    def decibel(self, position_m: Float[ndarray, "*n 2"], streams: Streams) -> Float[ndarray, "*n"]:
        """Return the shadow at each position in dB; positive means a stronger signal."""
        x, y = position_m[..., 0] / self.correlation_m, position_m[..., 1] / self.correlation_m
        total = np.zeros(x.shape, np.float32)
        for kx, ky, offset in zip(*self._waves(streams), strict=True):
            total += np.cos(phase(kx * x + ky * y + offset))
        scale: float = self.sigma_db * np.sqrt(2 / _WAVES)
        return scale * total.astype(np.float64)

    def _waves(self, streams: Streams) -> Float[ndarray, "3 waves"]:
        """Return the wave vectors, in cycles per correlation distance, and the phases, in cycles."""
        u = uniform(streams.words(3 * _WAVES, "shadowing")).reshape(3, _WAVES)
        beyond = 1.0 - (np.arange(_WAVES) + u[0]) / _WAVES
        number = np.sqrt(1.0 / beyond**2 - 1.0) / (2 * np.pi)
        angle = 2 * np.pi * u[1]
        return np.stack([number * np.cos(angle), number * np.sin(angle), u[2]])
