"""Scenario files: TOML, ``extends``, and arguments of ``--set``."""

import contextlib
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from coupling.scenario import bundled
from coupling.scenario.errors import ScenarioError, os_error_text, shortened
from coupling.scenario.layers import SET, ScenarioFile

_BARE_WORD: Final = re.compile(r"[A-Za-z_./][\w./:\-]*")
"""A name, a hub id or a path."""
_MAXIMUM_BYTES: Final = 8 * 2**20
"""Size of the largest scenario file."""
_MAXIMUM_KEYS: Final = 10_000
"""Number of keys of the largest scenario file."""


def read(path: Path) -> ScenarioFile:
    """Return a scenario file merged over the files that it extends.

    A path that is no file may be the name of a bundled scenario, here and in ``extends``.

    Raises:
        ScenarioError: a file that cannot be read or is not TOML, or ``extends`` that is no file
            name or a loop.
    """
    path = _bundled(path, str(path))
    source = ScenarioFile(path, plugin_folders=(path.absolute().parent, Path.cwd()))
    try:
        for file, table in reversed(_chain(path)):
            if (count := _key_count(table)) > _MAXIMUM_KEYS:
                raise ScenarioError(f"{file}: has {count:,} keys, more than {_MAXIMUM_KEYS:,}")
            source.merge(table, file)
    except RecursionError:
        raise ScenarioError(f"{path}: is nested too deeply") from None
    return source


def parse_set(argument: str) -> tuple[str, object]:
    """Return the key and the value of ``key=value``: TOML, a bare word as a string, or None.

    Raises:
        ScenarioError: no ``=``, or a value that is neither.
    """
    key, equals, text = argument.partition("=")
    if not equals:
        raise ScenarioError(f"{SET} {shortened(argument)}: is not key=value")
    if not text.strip():
        return key.strip(), None
    try:
        table = _loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        table = {"value": text.strip()} if _BARE_WORD.fullmatch(text.strip()) else {}
    except ValueError as error:
        raise ScenarioError(f"{SET} {shortened(argument)}: {error}") from None
    # A line break in the text would bring in further keys.
    if list(table) != ["value"]:
        problem = f"{shortened(text)!r} is neither a TOML value nor a bare word"
        raise ScenarioError(f"{SET} {shortened(argument)}: {problem}")
    return key.strip(), table["value"]


def _loads(text: str) -> dict[str, Any]:
    """Return a TOML table whose integers can be printed.

    Raises:
        ValueError: an integer has too many digits, in base ten or sixteen.
    """
    try:
        table = tomllib.loads(text)
        repr(table)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("an integer has more than 4,300 digits") from None
    return table


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return a file and those it extends, nearest first, without their ``extends`` keys."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: set[Path] = set()
    named_by = ""
    while True:
        table = _parse(path, named_by)
        if path.resolve() in seen:
            raise ScenarioError(f"{named_by} leads back to a file already read")
        seen.add(path.resolve())
        extends = table.pop("extends", None)
        chain.append((path, table))
        if extends is None:
            return chain
        named_by = f"{path}: extends = {extends!r}"
        if not isinstance(extends, str) or not extends or "\0" in extends:
            raise ScenarioError(f"{named_by} is not a file name")
        path = _bundled(path.parent / extends, extends)


def _key_count(table: Mapping[str, Any]) -> int:
    """Return the number of keys of a table and of all tables below it, lists aside."""
    inner = [value for value in table.values() if isinstance(value, Mapping)]
    return len(table) + sum(map(_key_count, inner))


def _bundled(path: Path, name: str) -> Path:
    """Return a path if it is a file, or else that of the bundled scenario of a name."""
    with contextlib.suppress(OSError, ValueError):  # reading such a path gives the reason
        if not path.is_file():
            return bundled.find(name) or path
    return path


def _text(path: Path) -> str:
    """Return the text of a file of bounded size; a pipe or a device is not waited for."""
    status = path.stat()
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
        raise ValueError("is no regular file")
    if status.st_size > _MAXIMUM_BYTES:
        raise ValueError(f"has {status.st_size:,} bytes, more than {_MAXIMUM_BYTES:,}")
    return path.read_text(encoding="utf-8-sig")


def _parse(path: Path, named_by: str) -> dict[str, Any]:
    try:
        return _loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        hint = "; a path with backslashes stands between single quotes: 'C:\\...'"
        escape = any(word in str(error) for word in ("hex value", "'\\'", "Unicode scalar"))
        raise ScenarioError(f"{path}: is not TOML: {error}{hint if escape else ''}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{path}: is not TOML: not UTF-8 text") from None
    except ValueError as error:
        raise ScenarioError(f"{path}: {error}") from None
    except OSError as error:
        by = f"{named_by}: " if named_by else ""
        hint = bundled.hint(str(path)) if isinstance(error, FileNotFoundError) else ""
        text = f"{by}{path}: cannot be read: {os_error_text(error)}{hint}"
        raise ScenarioError(text) from None
