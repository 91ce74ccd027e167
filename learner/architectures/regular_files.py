"""Regular files of bounded size: a pipe or a device is never waited for."""

import os
import stat
from pathlib import Path
from typing import Final

READABLE_SHARE: Final = 0.25
"""Share of the machine's memory that one file may need."""
MAXIMUM_HEADER_BYTES: Final = 8 * 2**20
"""Size of the longest header of a safetensors file: some 80,000 tensors."""


def read_regular(path: Path, maximum: int | None = None) -> bytes:
    """Return the content of a regular file of at most ``maximum`` bytes.

    The default maximum is that of ``readable_bytes``.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no regular file, or it is larger.
    """
    limit = readable_bytes() if maximum is None else maximum
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path.name} is no regular file")
        require_memory(status.st_size, limit)
        return file.read(status.st_size)


def readable_bytes() -> int:
    """Return the memory that one file may need: a quarter of the machine's, in bytes."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(READABLE_SHARE * total)


def require_memory(needed: int, limit: int) -> None:
    """Refuse a file that would need more than ``limit`` bytes.

    Raises:
        ValueError: it would.
    """
    if needed > limit:
        raise ValueError(f"needs up to {needed:,} bytes of memory; {limit:,} are allowed")


def require_header(start: bytes) -> None:
    """Refuse a safetensors file that begins with ``start`` and whose header is too long.

    Reading takes a time that grows with the number of tensors, of which each may be empty.

    Raises:
        ValueError: it is.
    """
    length = int.from_bytes(start[:8], "little")
    if length > MAXIMUM_HEADER_BYTES:
        raise ValueError(f"has a header of {length:,} bytes; {MAXIMUM_HEADER_BYTES:,} are allowed")
