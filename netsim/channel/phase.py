"""Sums of plane waves, the common way to make a random field that is a function of position."""

from typing import Final

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

SPEED_OF_LIGHT_MPS: Final = 299_792_458.0
"""Speed of light in metres per second."""
_TURN: Final = np.float32(2 * np.pi)


def phase(cycles: Float[ndarray, "*n"]) -> Float32[ndarray, "*n"]:
    """Return a phase in radians in [-pi, pi], given in cycles.

    Whole cycles are taken off in float64, so that even 10^8 wavelengths leave 10^-7 of a cycle;
    float32, good to 10^-7 of a cycle as well, makes the sine and cosine that follow several times
    faster.
    """
    return (cycles - np.rint(cycles)).astype(np.float32) * _TURN
