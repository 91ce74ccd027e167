"""Phase of plane waves: their sums are random fields that are functions of position."""

from typing import Final

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

SPEED_OF_LIGHT_MPS: Final = 299_792_458.0
"""Speed of light in metres per second."""
_RADIANS_PER_CYCLE: Final = np.float32(2 * np.pi)


def phase(cycles: Float[ndarray, "*n"]) -> Float32[ndarray, "*n"]:
    """Return the phase in radians in [-pi, pi] of a number of cycles.

    Whole cycles are removed in float64, so that even 10^8 wavelengths leave 10^-7 of a cycle.
    float32, which has the same precision in a cycle, makes the sine and cosine that follow several
    times faster.
    """
    return (cycles - np.rint(cycles)).astype(np.float32) * _RADIANS_PER_CYCLE
