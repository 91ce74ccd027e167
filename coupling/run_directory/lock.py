"""One process at a time in a run directory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, final

from coupling.scenario.errors import RunError, ScenarioError, os_error_text

_NAME: Final = ".lock"
_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.1


@final
class LockedError(RunError):
    """Another process works in the run directory."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run directory; the lock ends with this process, however it
    ends.

    Raises:
        LockedError: another process has it.
        ScenarioError: the directory cannot be written.
    """
    try:
        file = (folder / _NAME).open("a+")
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    with file:
        if not _acquired(file):
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
        with (folder / _NAME).open() as file:
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
            # It may be somebody who only looks whether the directory is locked.
            time.sleep(_BETWEEN_TRIES_S)
        else:
            return True
    return False
