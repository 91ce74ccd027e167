"""How many bits each leg of the split step has."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from coupling.simulation.learning import TimedLearner


@final
@dataclass(frozen=True)
class LegSizes:
    """Bits of every device's legs in a round."""

    embedding: Float[ndarray, " K"]
    feature: Float[ndarray, " K"]
    gradient: Float[ndarray, " K"]


class PayloadModel(ABC):
    """The bits of each leg; a function of the round and of shapes, never of values."""

    @abstractmethod
    def of(self, round_number: int) -> LegSizes:
        """Return the bits of all K devices in a round."""


@final
class FixedBits(PayloadModel):
    """The same bits for every device and round."""

    def __init__(self, count: int, embedding: float, feature: float, gradient: float) -> None:
        # Broadcast, so that a million devices cost nothing here.
        self._bits = LegSizes(
            *(np.broadcast_to(float(bits), count) for bits in (embedding, feature, gradient))
        )

    @override
    def of(self, round_number: int) -> LegSizes:
        return self._bits


@final
class EncodedSizes(PayloadModel):
    """The bits that the learner's payloads have: each device's own minibatch of the round."""

    def __init__(self, count: int, learning: TimedLearner) -> None:
        self._count = count
        self._learning = learning
        # A round asks for every device it schedules, and each answer draws the minibatches of all
        # K.
        self._latest: tuple[int, LegSizes] | None = None

    @override
    def of(self, round_number: int) -> LegSizes:
        if self._latest is None or self._latest[0] != round_number:
            legs = np.array(
                [self._learning.payload(device, round_number) for device in range(self._count)],
                float,
            )
            self._latest = round_number, LegSizes(legs[:, 0], legs[:, 1], legs[:, 2])
        return self._latest[1]
