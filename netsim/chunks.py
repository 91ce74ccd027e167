"""Chunks of devices: slices of a fixed size for work on many devices."""

from collections.abc import Iterator
from typing import Final

_SIZE: Final = 1 << 14


def chunks(count: int) -> Iterator[slice]:
    """Yield slices that cover 0 to ``count``; a chunk's intermediate results stay in the cache."""
    for first in range(0, count, _SIZE):
        yield slice(first, min(first + _SIZE, count))
