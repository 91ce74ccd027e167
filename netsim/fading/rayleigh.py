"""Rayleigh block fading."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.fading.base import Fading
from netsim.parameters import CONFIG
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Rayleigh(Fading):
    """Rayleigh amplitude: ``|h|^2`` is exponential with mean 1, independent between devices and blocks.

    Inverse of the distribution function, one word a device: ``-ln U`` with U uniform in (0, 1).
    """

    kind: Literal["rayleigh"] = "rayleigh"

    @override
    def power(self, count: int, block: int, streams: Streams) -> Float[ndarray, " count"]:
        return -np.log(uniform(streams.words(count, "fading", block)))
