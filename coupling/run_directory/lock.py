"""Lock of a run directory: one process at a time works in it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, final

from coupling.run_directory.layout import LOCK
from coupling.scenario.errors import RunError, ScenarioError, os_error_text

_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.1


@final
class LockedError(RunError):
    """Another process works in the run directory."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run directory.

    The lock ends with this process, however it ends.

    Raises:
        LockedError: another process has it.
        ScenarioError: the directory cannot be written.
    """
    path = folder / LOCK
    try:
        file = path.open("a+")
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    with file:
        if not _acquired(file) or not _is_at(path, file):
            file.seek(0)
            raise LockedError(
                f"{folder}: another process ({file.read().strip()}) is running in this directory"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Return whether a process is at work in a run directory."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _acquired(file: IO[str]) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The other process may only look whether the directory is locked.
            time.sleep(_BETWEEN_TRIES_S)
        else:
            return True
    return False


def _is_at(path: Path, file: IO[str]) -> bool:
    """Return whether an open file is still the one at a path: its holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False
