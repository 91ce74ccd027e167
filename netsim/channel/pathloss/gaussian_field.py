"""Gaussian random field over the plane, for shadowing and lines of sight."""

from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.channel.phase import phase
from netsim.streams import Streams, uniform

_WAVES: Final = 256
_FEW: Final = 256
"""Maximum number of positions whose waves are one matrix, which saves the calls wave by wave."""


def gaussian_random_field(
    position_m: Float[ndarray, "*n 2"], correlation_m: float, streams: Streams, name: str
) -> Float[ndarray, "*n"]:
    """Return a standard normal field at each position, a function of position, seed and ``name``.

    Its correlation is ``exp(-distance / correlation_m)``. The field is a sum of 256 plane waves of
    equal amplitude, random phase and random direction. Their wave numbers follow the spectrum of
    that correlation in the plane, ``P(|k| < kappa) = 1 - 1 / sqrt(1 + (kappa d_cor)^2)``, one wave
    per 256th part of it. The mean over the plane is 0 and the variance 1 in every world. Two
    properties are approximate: the law at a point (normal except for a kurtosis of -0.006), and the
    correlation in one world (exact over all worlds; 256 waves leave an error of at most ``1 /
    sqrt(512)``, or 0.045, in one). A position costs 256 cosines.
    """
    waves = _waves(streams.seed, name)
    x, y = position_m[..., 0] / correlation_m, position_m[..., 1] / correlation_m
    if x.size <= _FEW:
        kx, ky, offset = waves[:, :, None]
        cosines = np.cos(phase(kx * x.ravel() + ky * y.ravel() + offset))
        # The order of ``sum`` would depend on the number of positions, and with it the last digits.
        total = np.add.accumulate(cosines, axis=0)[-1].reshape(x.shape)
    else:
        total = np.zeros(x.shape, np.float32)
        for kx, ky, offset in zip(*waves, strict=True):
            total += np.cos(phase(kx * x + ky * y + offset))
    scale: float = np.sqrt(2 / _WAVES)
    return scale * total.astype(np.float64)


@lru_cache(maxsize=64)
def _waves(seed: int, name: str) -> Float[ndarray, "3 waves"]:
    """Return the wave vectors in cycles per correlation distance, and the phases in cycles."""
    u = uniform(Streams(seed).words(3 * _WAVES, name)).reshape(3, _WAVES)
    beyond = 1.0 - (np.arange(_WAVES) + u[0]) / _WAVES
    number = np.sqrt(1.0 / beyond**2 - 1.0) / (2 * np.pi)
    angle = 2 * np.pi * u[1]
    return np.stack([number * np.cos(angle), number * np.sin(angle), u[2]])
