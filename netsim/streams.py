"""Random numbers that do not depend on the order in which they are asked for."""

import hashlib
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import UInt64
from numpy import ndarray

_COUNTER_BLOCK = 1 << 128


@lru_cache(maxsize=4096)
def _key(seed: int, name: str) -> int:
    """Return the 128-bit Philox key of a named stream."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little")


@final
class Streams:
    """Every random number of one simulated world, addressed instead of drawn in turn.

    A stream is a Philox 4x64 sequence (Salmon et al., SC 2011). Its key comes from the seed and the stream's
    name; up to two indices (device, round, block ...) choose the upper half of the 256-bit counter, so streams
    of one name never overlap. The same address gives the same numbers in any order, process or resumed run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generator(self, name: str, *indices: int) -> np.random.Generator:
        """Return a fresh generator at the start of the stream ``(seed, name, *indices)``.

        Raises:
            ValueError: more than two indices, or one that is negative or 2**64 and more.
        """
        return np.random.Generator(self._bits(name, *indices))

    def words(self, count: int, name: str, *indices: int) -> UInt64[ndarray, " count"]:
        """Return the first ``count`` words of a stream; word k never depends on ``count``."""
        words: UInt64[ndarray, " count"] = self._bits(name, *indices).random_raw(count)
        return words

    def _bits(self, name: str, *indices: int) -> np.random.Philox:
        if len(indices) > 2 or any(not 0 <= index < 1 << 64 for index in indices):
            raise ValueError(f"stream {name!r} takes at most two indices in 0..2**64 - 1, not {indices}")
        high, low = (*indices, 0, 0)[:2]
        return np.random.Philox(key=_key(self.seed, name), counter=((high << 64) + low) * _COUNTER_BLOCK)


def uniform(words: UInt64[ndarray, "*shape"]) -> ndarray:
    """Return uniform numbers in the open interval (0, 1), one for each word.

    The upper 52 bits, shifted by half a step: neither 0 nor 1 occurs (with 53 the largest would round to 1), so
    a logarithm of the result is finite.
    """
    return ((words >> np.uint64(12)) + 0.5) * 2.0**-52
