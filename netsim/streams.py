"""Random streams: counter-based numbers with addresses, independent of the order of use."""

import hashlib
from functools import lru_cache
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, UInt64
from numpy import ndarray
from numpy.random.bit_generator import ISeedSequence
from typing_extensions import override

from netsim.chunks import chunks
from netsim.philox import philox

Index = int | Integer[ndarray, "..."]
"""One index of a stream, or an array of them."""

_WORD = (1 << 64) - 1
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_SUBSET_LIMIT: Final = 200
"""Maximum size of the subsets that are drawn together: NumPy takes Floyd's algorithm up to there
for every population.
"""


@lru_cache(maxsize=4096)
def _key(seed: int, name: str) -> int:
    """Return the 128-bit Philox key of a named stream."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little")


@final
class _Key(ISeedSequence):
    """Philox key with the interface of a seed sequence.

    With the argument ``key`` instead, NumPy gathers entropy for a seed that it then discards, which
    takes six times as long.
    """

    def __init__(self, seed: int, name: str) -> None:
        key = _key(seed, name)
        self._words = np.array([key & _WORD, key >> 64], np.uint64)

    @override
    def generate_state(self, n_words: int, dtype: object = np.uint32) -> UInt64[ndarray, "2"]:
        assert n_words == 2, "Philox asks for the two words of its key"
        return self._words


_seed = lru_cache(maxsize=4096)(_Key)


@final
class Streams:
    """Random streams of one simulated world: every number has an address.

    A stream is a Philox 4x64 sequence (Salmon et al., SC 2011). Its key comes from the seed and the
    stream's name; up to two indices (device, round, block ...) choose the upper half of the 256-bit
    counter, so streams of one name never overlap. A missing index counts as 0: in a run, each name
    has one number of indices. The same address gives the same numbers in any order, process or
    resumed run: one stream in sequence (``words``), a word of many streams (``word_at``), or the
    first words of many (``first_words``).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generator(self, name: str, *indices: int) -> np.random.Generator:
        """Return a new generator at the start of the stream ``(seed, name, *indices)``.

        Raises:
            ValueError: more than two indices, or one that is negative or 2**64 and more.
        """
        return np.random.Generator(self._bits(name, *indices))

    def words(
        self, count: int, name: str, *indices: int, first: int = 0
    ) -> UInt64[ndarray, " count"]:
        """Return ``count`` words of a stream from word ``first`` on; none depends on ``count``."""
        bits = self._bits(name, *indices, skip=first // 4)
        words: UInt64[ndarray, " count"] = bits.random_raw(count + first % 4)[first % 4 :]
        return words

    def word_at(self, number: Index, name: str, *indices: Index) -> UInt64[ndarray, "..."]:
        """Return word ``number`` of each stream; number and indices broadcast to the result."""
        counter, shape = _counters(number, *indices)
        lane = counter[0] & np.uint64(3)
        counter[0] = (counter[0] >> np.uint64(2)) + np.uint64(1)
        words = philox(_key(self.seed, name), counter)
        return words[lane.astype(np.intp), np.arange(words.shape[1])].reshape(shape)

    def first_words(self, name: str, *indices: Index) -> UInt64[ndarray, "4 ..."]:
        """Return the first four words of each stream, on axis 0; the indices broadcast."""
        counter, shape = _counters(1, *indices)
        return philox(_key(self.seed, name), counter).reshape((4, *shape))

    def subsets(
        self, population: Int64[ndarray, " n"], size: int, name: str, *indices: Index
    ) -> Int64[ndarray, "n {size}"]:
        """Return random subsets of ``range(population)``, one of ``size`` numbers per stream.

        A row has the numbers of ``generator(name, ...).choice(population, size, replace=False)`` in
        another order. Populations are at least ``size``; the indices broadcast over them.
        """
        places = np.broadcast_arrays(population, *indices)[1:]

        def choice(row: np.intp) -> Int64[ndarray, " {size}"]:
            stream = self.generator(name, *(int(place[row]) for place in places))
            return stream.choice(int(population[row]), size, replace=False)

        drawn = np.empty((len(population), size), np.int64)
        alone = np.ones(len(population), bool)
        if size <= _SUBSET_LIMIT:
            for chunk in chunks(len(population)):
                block = np.arange(1, -(-size // 8) + 1)[:, None]
                counter, shape = _counters(block, *(place[chunk] for place in places))
                words = philox(_key(self.seed, name), counter).reshape(4, *shape)
                drawn[chunk], alone[chunk] = _floyd(population[chunk], size, words)
            # A version of NumPy with another algorithm gets all its subsets one by one.
            like_numpy = alone.argmin()
            if not alone.all() and {*drawn[like_numpy]} != {*choice(like_numpy)}:
                alone[:] = True
        for row in np.flatnonzero(alone):
            drawn[row] = choice(row)
        return drawn

    def _bits(self, name: str, *indices: int, skip: int = 0) -> np.random.Philox:
        if len(indices) > 2 or any(not 0 <= index < 1 << 64 for index in indices):
            raise ValueError(
                f"stream {name!r} takes at most two indices in 0..2**64 - 1, not {indices}"
            )
        high, low = (*indices, 0, 0)[:2]
        counter = np.array([skip, 0, low, high], np.uint64)
        # NumPy takes any ISeedSequence as a seed sequence; its stub knows only its own.
        return np.random.Philox(_seed(self.seed, name), counter=counter)  # type: ignore[arg-type]


def _counters(number: Index, *indices: Index) -> tuple[UInt64[ndarray, "4 n"], tuple[int, ...]]:
    """Return counters with ``number`` as their lowest word and the indices as their upper half."""
    assert len(indices) <= 2, "a counter has room for two indices"
    high, low = (*indices, 0, 0)[:2]
    parts = np.broadcast_arrays(number, low, high)
    counter = np.zeros((4, parts[0].size), np.uint64)
    for row, part in zip((0, 2, 3), parts, strict=True):
        counter[row] = part.ravel()
    return counter, parts[0].shape


def _floyd(
    population: Int64[ndarray, " n"], size: int, words: UInt64[ndarray, "4 blocks n"]
) -> tuple[Int64[ndarray, "n {size}"], Bool[ndarray, " n"]]:
    """Return subsets of ``range(population)`` by Floyd's algorithm, and the rows that failed.

    As ``numpy.random.Generator.choice`` does (Bentley and Floyd, 1987): number b is drawn from 0 to
    ``population - size + b``, or is the largest of these if it has been drawn. A draw takes 32 bits
    by Lemire's multiplication (2019). A row fails where NumPy might reject a draw and take another.
    """
    drawn = np.empty((size, len(population)), np.uint32)
    failed = np.zeros(len(population), bool)
    choices = (population - size).astype(np.uint64)
    for number in range(size):
        word = words[number // 2 % 4, number // 8]
        product = (word >> _HALF if number % 2 else word & _LOW) * (choices + np.uint64(number + 1))
        failed |= (product & _LOW) <= choices + np.uint64(number)
        value = (product >> _HALF).astype(np.uint32)
        taken = (drawn[:number] == value).any(axis=0)
        drawn[number] = np.where(taken, choices + np.uint64(number), value)
    # NumPy spends no bits on a draw from one number; the subset is all of the population then.
    drawn[:, choices == 0] = np.arange(size)[:, None]
    failed |= population > int(_LOW)
    return drawn.T.astype(np.int64), failed & (choices > 0)


def uniform(words: UInt64[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Return uniform numbers in the open interval (0, 1), one per word.

    The upper 52 bits, shifted by half a step: neither 0 nor 1 occurs (with 53 bits the largest
    would round to 1), so a logarithm of the result is finite.
    """
    return ((words >> np.uint64(12)) + 0.5) * 2.0**-52


def normal_pairs(
    words: UInt64[ndarray, "*shape"], more: UInt64[ndarray, "*shape"]
) -> tuple[Float[ndarray, "*shape"], Float[ndarray, "*shape"]]:
    """Return two independent standard normal numbers per pair of words (Box and Muller, 1958)."""
    radius = np.sqrt(-2.0 * np.log(uniform(words)))
    angle = 2 * np.pi * uniform(more)
    return radius * np.cos(angle), radius * np.sin(angle)
