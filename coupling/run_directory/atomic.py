"""Atomic writes: files that are complete or absent, whenever the process or the machine stops."""

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file in the place of the one that is there, complete or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def fsync(path: Path) -> None:
    """Make sure that a file, or the list of names of a directory, has left the system's cache."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
