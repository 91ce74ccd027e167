"""Philox 4x64 random words at many unrelated counters, in NumPy's integer arithmetic."""

from typing import Final

import numpy as np
from jaxtyping import UInt64
from numpy import ndarray

_FACTORS: Final = np.array([[0xD2E7470EE14C6C93], [0xCA5A826395121157]], np.uint64)
_WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS: Final = 10
_WORD: Final = (1 << 64) - 1
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_UPPER_FACTORS: Final = _FACTORS >> _HALF
_LOWER_FACTORS: Final = _FACTORS & _LOW
_CHUNK: Final = 8192
"""Counters per chunk: twelve rows of this length stay in a core's second-level cache."""


def philox(key: int, counter: UInt64[ndarray, "4 n"]) -> UInt64[ndarray, "4 n"]:
    """Return the four words of Philox 4x64-10 for each counter under a 128-bit key.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the least significant
    word of key and counter is word 0. ``numpy.random.Philox`` gives the same words, one counter
    after the other; it increments the counter *before* its first words.
    """
    words = np.empty_like(counter)
    scratch = np.empty((5, 2, min(_CHUNK, counter.shape[1])), np.uint64)
    for first in range(0, counter.shape[1], _CHUNK):
        chunk = slice(first, first + _CHUNK)
        even, odd = counter[0::2, chunk].copy(), counter[1::2, chunk].copy()
        words[0::2, chunk], words[1::2, chunk] = _permute(
            key, even, odd, scratch=scratch[:, :, : even.shape[1]]
        )
    return words


def _permute(
    key: int,
    even: UInt64[ndarray, "2 n"],
    odd: UInt64[ndarray, "2 n"],
    *,
    scratch: UInt64[ndarray, "5 2 n"],
) -> tuple[UInt64[ndarray, "2 n"], UInt64[ndarray, "2 n"]]:
    """Return the even and the odd words after ten rounds; a round multiplies the even words."""
    high, low = scratch[0], scratch[4]
    for index in range(_ROUNDS):
        round_key = [
            [(part + index * step) & _WORD] for part, step in zip(_halves(key), _WEYL, strict=True)
        ]
        # Upper and lower halves of the products.
        _multiply_high(even, high, scratch[1:4])
        np.multiply(even, _FACTORS, out=low)
        # The upper halves, with the other words and the round key, become the even words.
        np.bitwise_xor(odd, high[::-1], out=even)
        np.bitwise_xor(even, np.array(round_key, np.uint64), out=even)
        # The lower halves become the odd words; their array is free for the next round.
        odd, low = low[::-1], odd
    return even, odd


def _halves(key: int) -> tuple[int, int]:
    return key & _WORD, key >> 64


def _multiply_high(
    word: UInt64[ndarray, "2 n"], high: UInt64[ndarray, "2 n"], scratch: UInt64[ndarray, "3 2 n"]
) -> None:
    """Write the upper halves of the 128-bit products with the factors into ``high``.

    Long multiplication with 32-bit halves, a b = (a1 2^32 + a0) (b1 2^32 + b0).
    """
    low, middle, carry = scratch
    # Halves of the words, then the middle sum a1 b0 + (a0 b0 >> 32).
    np.right_shift(word, _HALF, out=high)
    np.bitwise_and(word, _LOW, out=low)
    np.multiply(low, _LOWER_FACTORS, out=middle)
    np.right_shift(middle, _HALF, out=middle)
    np.multiply(high, _LOWER_FACTORS, out=carry)
    np.add(middle, carry, out=middle)
    # Carry of the lower half of the middle sum plus a0 b1.
    np.bitwise_and(middle, _LOW, out=carry)
    np.multiply(low, _UPPER_FACTORS, out=low)
    np.add(carry, low, out=carry)
    np.right_shift(carry, _HALF, out=carry)
    # Upper half: a1 b1 plus both carries.
    np.right_shift(middle, _HALF, out=middle)
    np.multiply(high, _UPPER_FACTORS, out=high)
    np.add(high, middle, out=high)
    np.add(high, carry, out=high)
