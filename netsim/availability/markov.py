"""Markov availability: an on/off chain per device."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.availability.base import Availability
from netsim.availability.on_off import OnOffProcess, SojournTimes
from netsim.parameters import CONFIG, Positive
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Markov(Availability):
    """Markov availability: a two-state chain in continuous time per device, on or off.

    The sojourn times in both states are exponential. The chain starts in its stationary
    distribution: at any time a device is available with probability ``mean_on / (mean_on +
    mean_off)``, and the rest of its sojourn is exponential like a whole sojourn. Devices are
    independent. Left out: times of day.
    """

    kind: Literal["markov"]
    mean_on_s: Positive
    """Mean sojourn time available, in seconds."""
    mean_off_s: Positive
    """Mean sojourn time unavailable, in seconds."""

    @override
    def process(self, count: int, streams: Streams) -> OnOffProcess:
        return OnOffProcess(_ExponentialSojourns(self, streams), count)


@final
class _ExponentialSojourns(SojournTimes):
    """Exponential sojourns: word 0 of a device gives its first state, word n + 1 sojourn n."""

    def __init__(self, model: Markov, streams: Streams) -> None:
        self._streams = streams
        self._mean_s = np.array([model.mean_on_s, model.mean_off_s])
        self._on_share = model.mean_on_s / self._mean_s.sum()

    @override
    def first(self, device: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        draw = uniform(self._streams.word_at(0, "availability", device))
        return (draw >= self._on_share).astype(np.int64)

    @override
    def end_s(
        self, device: Int[ndarray, " n"], sojourn: Int[ndarray, " n"], begin_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        draw = uniform(self._streams.word_at(sojourn + 1, "availability", device))
        # At least the next float: a sojourn has a positive duration.
        return np.maximum(
            begin_s - self._mean_s[sojourn & 1] * np.log(draw), np.nextafter(begin_s, np.inf)
        )
