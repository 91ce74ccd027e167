"""Devices that come and go at random."""

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
    """A continuous-time Markov chain of two states for each device: exponential times available and
    away.

    From its stationary distribution on: a device is available at time 0, and at any other, with
    probability ``mean_on / (mean_on + mean_off)``, and what is left of that time is exponential
    like all of it. Devices are independent. Left out: times of day.
    """

    kind: Literal["markov"]
    mean_on_s: Positive
    """Mean time for which a device is available, in seconds."""
    mean_off_s: Positive
    """Mean time for which it is away, in seconds."""

    @override
    def presence(self, count: int, streams: Streams) -> OnOffProcess:
        return OnOffProcess(_ExponentialSojourns(self, streams), count)


@final
class _ExponentialSojourns(SojournTimes):
    """Word 0 of a device's stream says how it begins, word n + 1 how long its turn n lasts."""

    def __init__(self, model: Markov, streams: Streams) -> None:
        self._streams = streams
        self._mean_s = np.array([model.mean_on_s, model.mean_off_s])
        self._on = model.mean_on_s / self._mean_s.sum()

    @override
    def first(self, device: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        return (uniform(self._streams.word_at(0, "availability", device)) >= self._on).astype(
            np.int64
        )

    @override
    def end_s(
        self, device: Int[ndarray, " n"], turn: Int[ndarray, " n"], begin_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        draw = uniform(self._streams.word_at(turn + 1, "availability", device))
        # Not less than the next float, or a turn would end before it has begun.
        return np.maximum(
            begin_s - self._mean_s[turn & 1] * np.log(draw), np.nextafter(begin_s, np.inf)
        )
