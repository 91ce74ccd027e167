"""Channel of the scheduled devices during a round: their gains, one per coherence block."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.channel.radio_environment import RadioEnvironment
from netsim.errors import StalledError

_FIRST_CHUNK: Final = 16
"""Blocks of the first chunk. Chunks double, so a long transfer asks for few of them."""
_MAX_BLOCKS: Final = 2_000_000
"""Number of blocks in a round beyond which the round counts as endless."""


@final
@dataclass(frozen=True)
class CoherenceBlocks:
    """Coherence blocks of equal length: block b begins at ``b length_s``."""

    length_s: float

    def start_s(self, block: Int[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return the beginnings of blocks in the world's time."""
        return block * self.length_s

    def at(self, time_s: float) -> int:
        """Return the block that holds at a time; it agrees with ``start_s`` to the last bit."""
        block = int(time_s // self.length_s)
        # Beginnings are rounded, the quotient is not. The quotient may be one block too early at a
        # boundary, but never too late.
        return block + 1 if (block + 1) * self.length_s <= time_s else block


class Channel(ABC):
    """Channel realisation of a round: the gains of its transfers in simulated time."""

    @abstractmethod
    def constant_gain(self, device: int) -> float | None:
        """Return the device's gain if it holds for the whole round, None otherwise."""

    @abstractmethod
    def blocks_from(
        self, device: int, time_s: float
    ) -> Iterator[tuple[Float[ndarray, " T"], Float[ndarray, " T"]]]:
        """Yield chunks of blocks from the one at ``time_s`` on, without end.

        A chunk holds the ends of its blocks and the device's gains in them.
        """


@final
class ConstantChannel(Channel):
    """Constant gain of each device for the whole round, as with ``coherence = "round"``."""

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
    """Block fading: gains that change from block to block, drawn in growing chunks.

    A chunk holds the gains of all scheduled devices. ``shift_s`` is the world's time less simulated
    time, 0 unless the world is tied to the round number. Drawn gains are kept until the round is
    over: 8 bytes per device and block.
    """

    def __init__(
        self,
        world: RadioEnvironment,
        blocks: CoherenceBlocks,
        device: Int[ndarray, " n"],
        time_s: float,
        shift_s: float = 0.0,
    ) -> None:
        self._world = world
        self._blocks = blocks
        self._device = device
        self._shift_s = shift_s
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
        # A rounding error of the shift may end a block too early in simulated time.
        while self._ends_until(done + 1)[done] <= time_s:
            done += 1
        while True:
            ends_s = self._ends_until(done + 1)
            yield ends_s[done:], self._gain[self._row[device], done:]
            done = len(ends_s)

    def _ends_until(self, count: int) -> Float[ndarray, " T"]:
        """Return the ends of at least ``count`` blocks; their gains are drawn first."""
        while (drawn := len(self._ends_s)) < count:
            if drawn > _MAX_BLOCKS:
                raise StalledError(
                    f"a round crosses more than {_MAX_BLOCKS:,} channel blocks of "
                    f"{self._blocks.length_s:g} s; raise channel.coherence, shorten the payload, "
                    "or set a deadline"
                )
            chunk = max(drawn, _FIRST_CHUNK)
            block = self._first + drawn + np.arange(chunk)
            gain = self._world.gains(self._device, block, self._blocks.start_s(block))
            self._gain = np.concatenate([self._gain, gain], axis=1)
            self._ends_s = np.concatenate(
                [self._ends_s, self._blocks.start_s(block + 1) - self._shift_s]
            )
        return self._ends_s
