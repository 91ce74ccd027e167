"""Payload sizes: bits of each leg, per device and round."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from learner.base import Learner
from learner.rng import SubsetFactory

LegSizes = Mapping[str, Float[ndarray, " K"]]
"""Bits of each leg, one number per device."""


class PayloadModel(ABC):
    """Bits of each leg: a function of the round and of shapes, never of values."""

    @abstractmethod
    def bits(self, round_number: int) -> LegSizes:
        """Return the bits of each leg in a round."""


@final
class FixedSizes(PayloadModel):
    """Sizes that are the same in every round: one number for all devices, or one per device."""

    def __init__(self, count: int, bits: Mapping[str, float | Float[ndarray, " K"]]) -> None:
        # Broadcast, so that a million devices cost nothing here.
        self._bits = {
            leg: np.broadcast_to(np.asarray(size, float), count) for leg, size in bits.items()
        }

    @override
    def bits(self, round_number: int) -> LegSizes:
        return self._bits


@final
class EncodedSizes(PayloadModel):
    """Sizes of the learner's encoded payloads: each device's own minibatch of the round."""

    def __init__(self, count: int, learner: Learner, subsets: SubsetFactory) -> None:
        self._count = count
        self._learner = learner
        self._subsets = subsets
        # A round asks for every scheduled device; each answer draws the minibatches of all K.
        self._latest: tuple[int, LegSizes] | None = None

    @override
    def bits(self, round_number: int) -> LegSizes:
        if self._latest is None or self._latest[0] != round_number:
            legs = self._learner.leg_bits_of_all(self._count, round_number, self._subsets)
            self._latest = round_number, legs
        return self._latest[1]
