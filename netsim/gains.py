"""The power gains between the devices and the server."""

from abc import ABC, abstractmethod
from typing import final

from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.fading import Correlated, Fading, Independent, Scatter
from netsim.parameters import Point
from netsim.pathloss import PathLoss, distance
from netsim.streams import Streams

Devices = slice | Int[ndarray, " n"]
"""Device numbers; a slice with start and stop where they follow each other, which saves copies."""


class Gains(ABC):
    """Power gain ``|h|^2`` of every device in every channel block, as a function of device, block and place."""

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
    """Path loss times fading."""

    def __init__(
        self, path_loss: PathLoss, fading: Fading, server_m: Point, count: int, streams: Streams
    ) -> None:
        self._path_loss, self._fading, self._server_m, self._streams = path_loss, fading, server_m, streams
        self._waves = fading.waves()
        self._field = self._waves.field(count, streams) if self._waves else None

    @override
    def at(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Float[ndarray, "n T"]:
        factor = self._fading.factor(self._scatter(device, position_m, block, time_s))
        factor *= self._path_loss.gain(position_m, self._server_m, self._streams)
        return factor

    def _scatter(
        self,
        device: Devices,
        position_m: Float[ndarray, "n T 2"],
        block: Int[ndarray, " T"],
        time_s: Float[ndarray, " T"],
    ) -> Scatter:
        if self._waves is None or self._field is None:
            return Independent(device, block, self._streams)
        cycles = distance(position_m, self._server_m) / self._waves.wavelength_m
        return Correlated(self._field, device, position_m, time_s, cycles)
