"""Work on a million devices, a piece at a time."""

from collections.abc import Iterator
from typing import Final

_AT_ONCE: Final = 1 << 14


def chunks(count: int) -> Iterator[slice]:
    """Yield slices that cover 0 to ``count``: a piece's intermediate results stay in a core's
    cache.
    """
    for first in range(0, count, _AT_ONCE):
        yield slice(first, min(first + _AT_ONCE, count))
