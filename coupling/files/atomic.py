"""Atomic writes: files that are complete or absent, whenever the process or the machine stops."""

import os
from pathlib import Path
from typing import BinaryIO, Final

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(path: Path) -> BinaryIO:
    """Open a new file for writing in the place of a former one; a link is replaced, not followed.

    Raises:
        OSError: the system refuses, or a directory has the name.
    """
    try:
        number = os.open(path, _NEW, 0o666)
    except FileExistsError:
        path.unlink()
        number = os.open(path, _NEW, 0o666)
    return os.fdopen(number, "wb")


def write(path: Path, content: str | bytes) -> None:
    """Write a file in the place of the one that is there, complete or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with create(partial) as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        remove(partial)
        raise


def remove(path: Path) -> None:
    """Remove a file that a failed write left, if the system lets it."""
    try:
        path.unlink()
    except OSError:
        return


def fsync(path: Path) -> None:
    """Make sure that a file, or the list of names of a directory, has left the system's cache."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(number)
    finally:
        os.close(number)
