"""Independent diffuse component: one draw per device and block."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Complex, Float, Int, UInt64
from numpy import ndarray
from typing_extensions import override

from netsim.channel.fading.base import DiffuseComponent
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True)
class Independent(DiffuseComponent):
    """Independent draws: that of device k is word k of the stream of the block.

    The power is ``-ln U``, the inverse of its distribution function, and the phase is uniform.
    """

    device: slice | Int[ndarray, " n"]
    block: Int[ndarray, " T"]
    streams: Streams

    @property
    @override
    def shape(self) -> tuple[int, int]:
        count = (
            self.device.stop - self.device.start
            if isinstance(self.device, slice)
            else len(self.device)
        )
        return count, len(self.block)

    @override
    def power(self) -> Float[ndarray, "n T"]:
        return -np.log(uniform(self._words("fading")))

    @override
    def amplitude(self) -> Complex[ndarray, "n T"]:
        angle = 2 * np.pi * uniform(self._words("fading phase"))
        return np.sqrt(self.power()) * (np.cos(angle) + 1j * np.sin(angle))

    def _words(self, name: str) -> UInt64[ndarray, "n T"]:
        if not isinstance(self.device, slice):
            return self.streams.word_at(self.device[:, None], name, self.block)
        count = self.shape[0]
        first = self.device.start
        columns = [self.streams.words(count, name, int(block), first=first) for block in self.block]
        return np.stack(columns, axis=1)
