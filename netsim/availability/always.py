"""Permanent availability of all devices."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.availability.base import Availability, AvailabilityProcess
from netsim.parameters import CONFIG, source
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Always(Availability):
    """Permanent availability of every device, as in the paper."""

    kind: Annotated[Literal["always"], source("paper, section II")] = "always"

    @override
    def process(self, count: int, streams: Streams) -> AvailabilityProcess:
        return _AlwaysAvailable(count)


@final
class _AlwaysAvailable(AvailabilityProcess):
    """Process without changes."""

    def __init__(self, count: int) -> None:
        self._available = np.broadcast_to(True, count)

    @override
    def at(self, time_s: float) -> Bool[ndarray, " K"]:
        return self._available

    @override
    def next_change_s(
        self, device: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        return np.full(len(device), np.inf)
