"""Paths below a directory that a user named: names found in data are checked, links are refused.

The directory itself and its parents may be links, as ``runs -> /scratch/runs`` is on clusters.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from coupling.scenario.errors import RunError, os_error_text, shown

_MAXIMUM_NAME: Final = 1024
_MAXIMUM_DEPTH: Final = 32


def checked_name(name: str) -> str:
    """Return a relative path that was found in data, such as ``rounds/part-000000.parquet``.

    The check comes before any link is resolved.

    Raises:
        ValueError: the name is absolute, leads out of its directory, or is no plain path.
    """
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and len(name) <= _MAXIMUM_NAME
    if not plain or not all(parts) or {".", ".."} & set(parts):
        raise ValueError(f"{shown(name)!r} is no name of a file below the directory")
    return name


def refuse_links(folder: Path) -> None:
    """Refuse to write into a run directory that contains a link, a pipe or a device.

    A link would lead writing and deleting out of the directory that the user named.

    Raises:
        RunError: the text names the entry.
    """
    waiting = [(folder, 0)]
    while waiting:
        inner, depth = waiting.pop()
        try:
            with os.scandir(inner) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((Path(entry.path), depth + 1))
                    elif not entry.is_file(follow_symlinks=False):
                        raise _refused(Path(entry.path), is_link=entry.is_symlink())
        except OSError as error:
            raise RunError(f"{shown(inner)}: cannot be read: {os_error_text(error)}") from None
        if depth > _MAXIMUM_DEPTH:
            raise RunError(f"{shown(inner)}: is nested deeper than {_MAXIMUM_DEPTH} folders")


def refuse_link(path: Path) -> None:
    """Refuse a path whose last name is a link.

    Raises:
        RunError: the text names the link.
    """
    if path.is_symlink():
        raise _refused(path, is_link=True)


def unlink_second_name(path: Path) -> None:
    """Remove a file that has further names: a write would change all of them.

    Raises:
        OSError: the system refuses.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            path.unlink()


def _refused(path: Path, *, is_link: bool) -> RunError:
    if is_link:
        return RunError(
            f"{shown(path)}: is a link, and airtune writes and deletes through none below a run "
            "directory; put a copy in its place"
        )
    return RunError(f"{shown(path)}: is neither a file nor a folder; remove it")
