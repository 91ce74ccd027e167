"""Plane waves: diffuse fields of the devices as functions of position and time."""

from typing import Annotated, Final, final

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from netsim.channel.phase import SPEED_OF_LIGHT_MPS, phase
from netsim.chunks import chunks
from netsim.parameters import CONFIG, Count, NonNegative, Positive, source
from netsim.streams import Streams, normal_pairs, uniform

_CACHED: Final = 1 << 13
"""Maximum number of elements whose waves are computed together; more leave the cache."""


def _even(waves: int) -> int:
    if waves % 2:
        raise ValueError(f"{waves} is not even: the waves come in opposite pairs")
    return waves


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PlaneWaves:
    """Plane-wave model: the diffuse component as a sum of M plane waves, different per device.

    The waves arrive from M directions at equal angles, the first one uniform, and have independent
    complex Gaussian amplitudes of mean square ``1/M``. So the sum is exactly complex Gaussian at
    every point, and its correlation over a distance x is ``J0(2 pi x / lambda)`` over all devices
    and seeds (Clarke 1968; equal amplitudes would lower the variance of the power by 1/M).

    The powers are correlated as ``J0(z)^2 + 2 sum_j J_jM(z)^2`` with ``z = 2 pi x / lambda``: as
    J0 squared to the distance ``M / (2 pi)`` wavelengths and by about 1/M beyond (by up to 0.9
    M^(-2/3) just there). The default M = 44 is the smallest with an error below 0.001 up to 6
    wavelengths.

    The waves of a device depend on (seed, device) alone, so devices are independent at any
    distance: common waves of all devices would correlate the powers of distant devices by 1/M.
    Moving scatterers let the field of a device drift at their speed in a direction that is drawn
    per device: the correlation over a time t is that of position times ``J0(2 pi speed t /
    lambda)``.

    Left out: elevation, unequal power over the directions, waves that appear and fade (over many
    wavelengths a device's mean power varies by ``1/sqrt(M)``). The waves take 8 M bytes (float32)
    plus 16 or 32 per device.
    """

    carrier_hz: Annotated[Positive, source("cited, Clarke 1968")]
    """Carrier frequency in hertz; the wavelength is the speed of light over it."""
    waves: Annotated[Annotated[Count, AfterValidator(_even)], source("cited, Clarke 1968")] = 44
    """Number M of waves, even; powers are correlated as J0 squared to ``M / 2 pi`` wavelengths."""
    scatterer_speed_mps: NonNegative = 0.0
    """Speed of the scatterers in metres per second; with 0, the fading of a device at rest never
    changes.
    """

    @property
    def wavelength_m(self) -> float:
        """Wavelength of the carrier, in metres."""
        return SPEED_OF_LIGHT_MPS / self.carrier_hz

    def field(self, count: int, streams: Streams) -> "WaveField":
        """Return the diffuse field per device; that of device k does not depend on ``count``."""
        return WaveField(self, count, streams)


@final
class WaveField:
    """Diffuse field around each device.

    Two opposite waves sum to ``A cos phi + B sin phi`` with the phase ``phi`` of one of them. A and
    B are independent and Gaussian as the amplitudes of the waves, with twice their mean square.
    """

    def __init__(self, model: PlaneWaves, count: int, streams: Streams) -> None:
        self._model = model
        self._direction = np.empty((2, count))
        self._amplitude = np.empty((2 * model.waves, count), np.float32)
        """Four rows per pair of waves: real A, imaginary A, real B, imaginary B."""
        angle = np.pi * np.arange(model.waves // 2) / (model.waves // 2)
        self._turn = np.array([np.cos(angle), np.sin(angle)])
        self._drift = np.empty((2, count if model.scatterer_speed_mps else 0))
        for chunk in chunks(count):
            self._draw(chunk, streams)

    def _draw(self, chunk: slice, streams: Streams) -> None:
        """Draw amplitudes, first direction and drift of a chunk of devices."""
        waves = self._model.waves
        count = chunk.stop - chunk.start
        per_device = 2 * waves + 2
        words = streams.words(count * per_device, "plane waves", first=chunk.start * per_device)
        words = np.ascontiguousarray(words.reshape(count, per_device).T)
        # Amplitudes: complex Gaussian of mean square 2 / M for each of the M / 2 pairs.
        real, imaginary = normal_pairs(words[:waves], words[waves : 2 * waves])
        self._amplitude[0::2, chunk] = real / np.sqrt(waves)
        self._amplitude[1::2, chunk] = imaginary / np.sqrt(waves)
        # Direction of the first wave, and heading of the scatterers.
        angle, heading = 2 * np.pi * uniform(words[2 * waves :])
        self._direction[:, chunk] = np.cos(angle), np.sin(angle)
        if self._model.scatterer_speed_mps:
            self._drift[:, chunk] = np.cos(heading), np.sin(heading)

    def at(
        self,
        device: slice | Int[ndarray, " n"],
        position_m: Float[ndarray, "n T 2"],
        time_s: Float[ndarray, " T"],
    ) -> tuple[Float32[ndarray, "n T"], Float32[ndarray, "n T"]]:
        """Return the real and the imaginary part of the field of devices at positions and times."""
        along, across = self._cycles(device, position_m, time_s)
        amplitude = self._amplitude[:, device].reshape(self._turn.shape[1], 2, 2, len(along), 1)
        field = np.zeros((2, *along.shape), np.float32)
        group = max(1, _CACHED // max(1, along.size))
        for first in range(0, len(amplitude), group):
            pairs = slice(first, first + group)
            # Phase of the wave whose direction is turned by the angle of each pair.
            cosine, sine = self._turn[:, pairs, None, None]
            phi = phase(along * cosine + across * sine)
            # Sum of the two opposite waves of each pair.
            waves_a = amplitude[pairs, 0] * np.cos(phi)[:, None]
            waves_b = amplitude[pairs, 1] * np.sin(phi)[:, None]
            # One after the other: the sum of an element must not depend on the number of others.
            for wave_a, wave_b in zip(waves_a, waves_b, strict=True):
                field += wave_a
                field += wave_b
        return field[0], field[1]

    def _cycles(
        self,
        device: slice | Int[ndarray, " n"],
        position_m: Float[ndarray, "n T 2"],
        time_s: Float[ndarray, " T"],
    ) -> tuple[Float[ndarray, "n T"], Float[ndarray, "n T"]]:
        """Return the position in wavelengths along and across each device's first direction."""
        x_m, y_m = position_m[..., 0], position_m[..., 1]
        # Moving scatterers shift the position along the heading of the device.
        if self._model.scatterer_speed_mps:
            drift_x, drift_y = self._drift[:, device, None]
            x_m = x_m + drift_x * (self._model.scatterer_speed_mps * time_s)
            y_m = y_m + drift_y * (self._model.scatterer_speed_mps * time_s)
        cosine, sine = self._direction[:, device, None] / self._model.wavelength_m
        return x_m * cosine + y_m * sine, y_m * cosine - x_m * sine
