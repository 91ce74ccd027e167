"""What a transfer meets on its way: the gains of the scheduled devices from the start of a round
on.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.errors import StalledError
from netsim.radio_environment import RadioEnvironment

_FIRST_CHUNK: Final = 16
# Chunks double, so that a long transfer asks for its path a few times only.
_MOST_BLOCKS: Final = 2_000_000


@final
@dataclass(frozen=True)
class CoherenceBlocks:
    """Channel blocks of equal length: block b holds from ``b`` times the length until just before
    the next.
    """

    length_s: float

    def start_s(self, block: Int[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return when blocks begin, in the world's time."""
        return block * self.length_s

    def at(self, time_s: float) -> int:
        """Return the block that holds at a time; it agrees with ``start_s`` to the last bit."""
        block = int(time_s // self.length_s)
        # Times of boundaries are rounded, the quotient is not: a block may seem not to have begun,
        # but never to be over.
        return block + 1 if (block + 1) * self.length_s <= time_s else block


class Channel(ABC):
    """The gains that transfers of a round meet, in simulated time."""

    @abstractmethod
    def constant_gain(self, device: int) -> float | None:
        """Return the device's gain if it holds for the whole round, and None otherwise."""

    @abstractmethod
    def blocks_from(
        self, device: int, time_s: float
    ) -> Iterator[tuple[Float[ndarray, " T"], Float[ndarray, " T"]]]:
        """Yield, for ever, the ends of the blocks from the one at ``time_s`` on, and the device's
        gains in them.
        """


@final
class ConstantChannel(Channel):
    """One gain for each device for the whole round, as with ``coherence = "round"``."""

    def __init__(self, gain: Float[ndarray, " K"]) -> None:
        self._gain = gain

    @override
    def constant_gain(self, device: int) -> float:
        return float(self._gain[device])

    @override
    def blocks_from(
        self, device: int, time_s: float
    ) -> Iterator[tuple[Float[ndarray, " T"], Float[ndarray, " T"]]]:
        while True:
            yield np.array([np.inf]), np.array([self._gain[device]])


@final
class BlockFadingChannel(Channel):
    """Gains that change from block to block, drawn for all scheduled devices at once and in growing
    chunks.

    ``shift_s`` is the world's time less simulated time, 0 unless the world is tied to the round
    number. Gains once drawn are kept until the round is over: 8 bytes a device and block.
    """

    def __init__(
        self,
        world: RadioEnvironment,
        blocks: CoherenceBlocks,
        device: Int[ndarray, " n"],
        time_s: float,
        shift_s: float = 0.0,
    ) -> None:
        self._world, self._blocks, self._device, self._shift_s = world, blocks, device, shift_s
        self._row = {int(number): row for row, number in enumerate(device)}
        self._first = blocks.at(time_s + shift_s)
        self._ends_s = np.empty(0)
        self._gain = np.empty((len(device), 0))

    @override
    def constant_gain(self, device: int) -> None:
        return None

    @override
    def blocks_from(
        self, device: int, time_s: float
    ) -> Iterator[tuple[Float[ndarray, " T"], Float[ndarray, " T"]]]:
        done = self._blocks.at(time_s + self._shift_s) - self._first
        # In simulated time a block may have ended by a rounding error.
        while self._until(done + 1)[done] <= time_s:
            done += 1
        while True:
            ends_s = self._until(done + 1)
            yield ends_s[done:], self._gain[self._row[device], done:]
            done = len(ends_s)

    def _until(self, count: int) -> Float[ndarray, " T"]:
        """Return the ends of at least ``count`` blocks, after drawing the gains that they need."""
        while (known := len(self._ends_s)) < count:
            if known > _MOST_BLOCKS:
                raise StalledError(
                    f"a round crosses more than {_MOST_BLOCKS:,} channel blocks of {self._blocks.length_s:g} s; "
                    "raise channel.coherence, shorten the payload, or set a deadline"
                )
            more = max(known, _FIRST_CHUNK)
            block = self._first + known + np.arange(more)
            gain = self._world.gains(self._device, block, self._blocks.start_s(block))
            self._gain = np.concatenate([self._gain, gain], axis=1)
            self._ends_s = np.concatenate(
                [self._ends_s, self._blocks.start_s(block + 1) - self._shift_s]
            )
        return self._ends_s
