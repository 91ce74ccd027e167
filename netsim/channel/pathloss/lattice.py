"""Lattice gain: path gain of moving devices at the nearest points of a square lattice."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Devices = slice | Int[ndarray, " n"]
"""Device ids; a slice with start and stop if they are consecutive."""


@final
class LatticeGain:
    """Path gain of moving devices at the nearest points of a square lattice.

    The lattice is the clock of the large scale: a device has a new gain when another point is the
    nearest one, not in every channel block. ``gain`` is a function of position, so the gains are
    one too, in any order of calls. The last point of every device and its gain are kept, 24 bytes
    per device.
    """

    def __init__(
        self,
        gain: Callable[[Float[ndarray, "m 2"]], Float[ndarray, " m"]],
        step_m: float,
        count: int,
    ) -> None:
        self._function = gain
        self._step_m = step_m
        # No point equals NaN: every device begins without one.
        self._point = np.full((count, 2), np.nan)
        self._gain = np.empty(count)

    def at(self, device: Devices, position_m: Float[ndarray, "n *T 2"]) -> Float[ndarray, "n *T"]:
        """Return the gains of some devices, each once, at positions in any order."""
        point: Float[Any, "n T 2"] = np.rint(position_m / self._step_m)
        point = point.reshape(len(position_m), -1, 2)
        before = np.concatenate([self._point[device, None], point[:, :-1]], axis=1)
        is_new = (point != before).any(axis=2)
        if not is_new.any():
            return np.repeat(self._gain[device, None], point.shape[1], axis=1).reshape(
                position_m.shape[:-1]
            )
        # Column 0 has the kept gains; each position takes the gain of the latest new point.
        gain = np.empty((len(point), point.shape[1] + 1))
        gain[:, 0] = self._gain[device]
        gain[:, 1:][is_new] = self._function(self._step_m * point[is_new])
        latest = np.where(is_new, np.arange(1, gain.shape[1]), 0)
        gain = np.take_along_axis(gain, np.maximum.accumulate(latest, axis=1), axis=1)
        self._point[device] = point[:, -1]
        self._gain[device] = gain[:, -1]
        return gain.reshape(position_m.shape[:-1])
