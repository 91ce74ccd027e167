"""Lock of a run directory: one process at a time works in it."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, final

from coupling.run_directory.layout import LOCK
from coupling.scenario.errors import RunError, ScenarioError, os_error_text, shown

_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.1
_MAXIMUM_HOLDER: Final = 32


@final
class LockedError(RunError):
    """Another process works in the run directory."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run directory.

    The lock ends with this process, however it ends.

    Raises:
        LockedError: another process has it.
        ScenarioError: the directory cannot be written, or its lock is no plain file of it.
    """
    path = folder / LOCK
    try:
        file = _opened(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else os_error_text(error)
        raise ScenarioError(f"{folder}: cannot be written: {LOCK}: {reason}") from None
    with file:
        if not _acquired(file) or not _is_at(path, file):
            holder = shown(file.read(_MAXIMUM_HOLDER).decode("utf-8", "replace").strip(), 20)
            raise LockedError(f"{folder}: another process ({holder}) is running in this directory")
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Return whether a process is at work in a run directory."""
    try:
        with _opened(folder / LOCK, os.O_RDONLY) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _opened(path: Path, flags: int) -> BinaryIO:
    """Open the file of a lock; a link, a pipe or a file with a second name is refused."""
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    file = os.fdopen(number, "rb" if flags == os.O_RDONLY else "r+b")
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        file.close()
        raise OSError(errno.EINVAL, "not a file of this directory alone")
    return file


def _acquired(file: BinaryIO) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The other process may only look whether the directory is locked.
            time.sleep(_BETWEEN_TRIES_S)
        else:
            return True
    return False


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file is still the one at a path: its holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False
