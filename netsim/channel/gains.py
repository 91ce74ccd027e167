"""The power gains between the devices and the server."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.channel.fading import Correlated, DiffuseComponent, Fading, Independent
from netsim.channel.pathloss import PathLoss, distance
from netsim.chunks import chunks
from netsim.parameters import Point
from netsim.streams import Streams

Devices = slice | Int[ndarray, " n"]
"""Device numbers; a slice with start and stop where they follow each other, which saves copies."""


class Gains(ABC):
    """Power gain ``|h|^2`` of every device in every channel block, as a function of device, block
    and place.
    """

    @abstractmethod
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        """Return the gains of n devices in T blocks, given where they are when each block begins.

        An element depends on its own device, position, block and time only, to the last bit.
        """


@final
class ModelledGains(Gains):
    """Path loss times fading; the path loss of devices that stay at ``rest_m`` for ever is computed
    once.
    """

    def __init__(
        self,
        path_loss: PathLoss,
        fading: Fading,
        server_m: Point,
        count: int,
        streams: Streams,
        *,
        rest_m: Float[ndarray, "K 2"] | None = None,
    ) -> None:
        self._path_loss, self._fading, self._server_m, self._streams = (
            path_loss,
            fading,
            server_m,
            streams,
        )
        self._waves = fading.correlation_model()
        self._field = self._waves.field(count, streams) if self._waves else None
        self._at_rest: Float[ndarray, " K"] | None = None
        if rest_m is not None:
            self._at_rest = np.concatenate([self._path(rest_m[piece]) for piece in chunks(count)])

    @override
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        factor = self._fading.power_gain(self._scatter(device, position_m, block, time_s))
        factor *= self._path(position_m) if self._at_rest is None else self._at_rest[device, None]
        return factor

    def _path(self, position_m: Float[ndarray, "*n 2"]) -> Float[ndarray, "*n"]:
        return self._path_loss.gain(position_m, self._server_m, self._streams)

    def _scatter(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> DiffuseComponent:
        if self._waves is None or self._field is None:
            return Independent(device, block, self._streams)
        cycles = distance(position_m, self._server_m) / self._waves.wavelength_m
        return Correlated(self._field, device, position_m, time_s, cycles)
