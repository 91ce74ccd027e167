"""Writing calls outside of a folder, noted by an audit hook of Python."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ONE_PATH = ("os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.utime")
_TWO_PATHS = ("os.rename", "os.link", "os.symlink")
_TREES = ("shutil.rmtree", "os.truncate")
_PROCESSES = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system")
_EXPECTED = (["git", "-C", str(Path(__file__).resolve().parents[2])], ["uname", "-p"])
"""Beginnings of the commands that name airtune's own commit and the machine, for the provenance."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Outside:
    """Audit hook that writes a line per call outside of some folders to a file descriptor.

    Calls of native libraries raise no event; a comparison of the folders shows what they did.
    """

    def __init__(self, places: Iterable[str], note: int) -> None:
        self._places = tuple(os.path.realpath(path) + os.sep for path in places)
        self._note = note
        self._busy = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            for path in _written(event, arguments):
                if event in _PROCESSES or not self._is_inside(path):
                    os.write(self._note, f"{event} {path!r}\n".encode()[:500])
        finally:
            self._busy = False

    def _is_inside(self, path: Any) -> bool:
        try:
            parent, name = os.path.split(os.path.abspath(os.fsdecode(path)))
            real = os.path.join(os.path.realpath(parent), name)
        except (OSError, ValueError, TypeError):
            return True  # the call itself will fail
        return f"{real}{os.sep}".startswith(self._places) or real == os.devnull


def _written(event: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return the paths that a call writes to or deletes."""
    if not arguments:
        return []
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & _WRITES
        if isinstance(path, int) or path is None or not writes:
            return []
        return [path if flags & os.O_NOFOLLOW else os.path.realpath(path)]
    if event in _PROCESSES:
        words = list(arguments[1]) if event == "subprocess.Popen" else []
        return [] if words[:3] in _EXPECTED else [arguments[0]]
    if event in _TREES:
        return [arguments[0]]
    in_open_folder = isinstance(arguments[-1], int) and arguments[-1] >= 0
    if (event in _ONE_PATH or event in _TWO_PATHS) and in_open_folder:
        return []  # below a tree whose deletion is an event of its own
    if event in _ONE_PATH:
        return [] if isinstance(arguments[0], int) else [arguments[0]]
    if event in _TWO_PATHS:
        return list(arguments[1:2] if event == "os.symlink" else arguments[:2])
    return []
