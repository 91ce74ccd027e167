"""Power gains between the devices and the server."""

from abc import ABC, abstractmethod
from functools import partial
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.channel.fading import Correlated, DiffuseComponent, Fading, Independent
from netsim.channel.pathloss import Devices, LatticeGain, PathLoss, distance, with_height
from netsim.chunks import chunks
from netsim.input_columns import Coverage
from netsim.parameters import Place
from netsim.streams import Streams


class Gains(ABC):
    """Power gain ``|h|^2`` as a function of device, channel block and position."""

    coverage: Coverage | None = None
    """Channel blocks that the file of recorded gains covers; None for models."""

    @abstractmethod
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        """Return the gains of n devices in T blocks, given their positions when each block begins.

        An element depends on its own device, position, block and time only, to the last bit.
        """

    def path_gain(self, position_m: Float[ndarray, "K 2"]) -> Float[ndarray, " K"]:
        """Return the gains of all devices without fading, at their positions; of models only."""
        raise NotImplementedError("recorded gains have no path loss apart")


@final
class ModelledGains(Gains):
    """Modelled gains: path loss times fading.

    The path loss of devices that rest at ``rest_m`` is computed once, and their whole gain if their
    fading never changes: plane waves without moving scatterers. The path loss of moving devices is
    computed on a lattice where the model has one. With ``height_m``, the heights of
    all devices, ``server_m`` has three axes.
    """

    def __init__(
        self,
        path_loss: PathLoss,
        fading: Fading,
        server_m: Place,
        count: int,
        streams: Streams,
        *,
        rest_m: Float[ndarray, "K 2"] | None = None,
        height_m: Float[ndarray, " K"] | None = None,
    ) -> None:
        self._height_m = height_m
        self._path_loss = path_loss
        self._fading = fading
        self._server_m = server_m
        self._streams = streams
        self._waves = fading.correlation_model()
        self._field = self._waves.field(count, streams) if self._waves else None
        self._lattice: LatticeGain | None = None
        if rest_m is None and path_loss.lattice_m > 0:
            gain = partial(path_loss.lattice_gain, server_m=server_m, streams=streams)
            self._lattice = LatticeGain(gain, path_loss.lattice_m, count)
        self._at_rest: Float[ndarray, " K"] | None = None
        self._unchanging: Float[ndarray, " K"] | None = None
        if rest_m is not None:
            self._at_rest = np.concatenate(
                [self._path_gain(chunk, rest_m[chunk]) for chunk in chunks(count)]
            )
        if rest_m is not None and self._waves and not self._waves.scatterer_speed_mps:
            now = np.zeros(1)
            self._unchanging = np.concatenate(
                [
                    self.at(chunk, rest_m[chunk, None], now.astype(int), time_s=now)[:, 0]
                    for chunk in chunks(count)
                ]
            )
            self._field = None

    @override
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        if self._unchanging is not None:
            return np.repeat(self._unchanging[device, None], len(block), axis=1)
        diffuse = self._diffuse(device, position_m, block, time_s=time_s)
        gain = self._fading.power_gain(diffuse)
        if self._at_rest is None:
            gain *= self._path_gain(device, position_m)
        else:
            gain *= self._at_rest[device, None]
        return gain

    @override
    def path_gain(self, position_m: Float[ndarray, "K 2"]) -> Float[ndarray, " K"]:
        if self._at_rest is not None:
            return self._at_rest
        parts = [self._path_gain(chunk, position_m[chunk]) for chunk in chunks(len(position_m))]
        return np.concatenate(parts)

    def _path_gain(
        self, device: Devices, position_m: Float[ndarray, "*n 2"]
    ) -> Float[ndarray, "*n"]:
        if self._lattice is not None:
            return self._lattice.at(device, position_m)
        place_m = self._placed(device, position_m)
        return self._path_loss.gain(place_m, self._server_m, self._streams)

    def _placed(
        self, device: Devices, position_m: Float[ndarray, "*n 2"]
    ) -> Float[ndarray, "*n axes"]:
        """Return positions with the heights of their devices, where there are heights."""
        return with_height(position_m, None if self._height_m is None else self._height_m[device])

    def _diffuse(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        *,
        time_s: Float[ndarray, " T"],
    ) -> DiffuseComponent:
        if self._waves is None or self._field is None:
            return Independent(device, block, self._streams)
        cycles = (
            distance(self._placed(device, position_m), self._server_m) / self._waves.wavelength_m
        )
        return Correlated(self._field, device, position_m, time_s=time_s, distance_cycles=cycles)
