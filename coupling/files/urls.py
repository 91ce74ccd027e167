"""URLs of stores: the file systems behind them, and their passwords, which no line shows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

import fsspec

from coupling.scenario.errors import RunError, ScenarioError, first_line, os_error_text, shown

_USER: Final = re.compile(r"(?<=://)(?:[^/@\s]*|[^/@:\s]*:[^@\s]*)@")
_SECRET: Final = re.compile(
    r"((?:[?&;#]|%3[bf]|%2[36])[\w\-.]*(?:pass|pwd|pw|secret|token|key|sig|cred)[\w\-.]*(?:=|%3d))"
    r"([^&#\s]+)",
    re.IGNORECASE,
)
"""Parameters of a query, a path (``;pw=``) or a fragment, percent-encoded signs included."""
_HIDDEN: Final = "***"


def is_url(place: str) -> bool:
    """Return whether a place is a URL and not a path of this machine."""
    return "://" in place


def masked(text: str) -> str:
    """Return a text with the user names, passwords and keys of its URLs replaced by stars."""
    return _SECRET.sub(rf"\g<1>{_HIDDEN}", _USER.sub(f"{_HIDDEN}@", text))


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path on it.

    Raises:
        ScenarioError: the protocol is unknown, its package is missing, or the server refuses.
    """
    try:
        if url.startswith("://"):
            raise ValueError("it has no protocol")
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except Exception as error:  # noqa: BLE001 (file systems raise errors of their own)
        raise ScenarioError(f"{masked(url)}: cannot be used: {reason(error, url)}") from None
    return found


@contextmanager
def store_errors(url: str, doing: str) -> Iterator[None]:
    """Turn any error of a file system into a RunError without passwords: "URL: cannot be read".

    Raises:
        RunError: the file system failed, or an inner line about the store.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:  # file systems raise errors of their own
        raise RunError(f"{masked(url)}: cannot be {doing}: {reason(error, url)}") from error


def reason(error: BaseException, url: str) -> str:
    """Return the reason of a file system's error on one line, without the URL's password."""
    text = os_error_text(error) if isinstance(error, OSError) else first_line(error)
    for secret in _secrets(url):
        text = text.replace(secret, _HIDDEN)
    return shown(masked(text))


def _secrets(url: str) -> list[str]:
    """Return the passwords and keys of a URL, as they stand there and decoded."""
    found = [match.group().rstrip("@").partition(":")[2] for match in _USER.finditer(url)]
    for match in _SECRET.finditer(url):
        found += [match[2], match[2].partition("/")[0]]
    return [text for secret in found if secret for text in (secret, unquote(secret))]


def refuse_links_on(files: Any, root: str, name: str) -> None:
    """Refuse to write or delete through a link or pipe below the root of a store.

    The root itself, which the user named, may be a link.

    Raises:
        RunError: the text names the entry.
    """
    path = root
    for part in name.split("/"):
        path = f"{path}/{part}"
        try:
            entry = files.info(path)
        except FileNotFoundError:
            return
        if entry.get("islink") or entry.get("type") == "link":
            raise RunError(
                f"{masked(path)}: is a link, and airtune writes and deletes through none in a "
                "store; put a copy in its place"
            )
        if entry.get("type") == "other":
            raise RunError(f"{masked(path)}: is neither a file nor a folder; remove it")


def clear_place(files: Any, root: str, name: str) -> None:
    """Make a place in a store ready for writing: no link, and no file that has a second name.

    Writing in place would change the content under the other name, too.

    Raises:
        RunError: as ``refuse_links_on``.
    """
    refuse_links_on(files, root, name)
    path = f"{root}/{name}"
    try:
        entry = files.info(path)
    except FileNotFoundError:
        return
    if entry.get("type") == "file" and entry.get("nlink", 1) > 1:
        files.rm_file(path)
