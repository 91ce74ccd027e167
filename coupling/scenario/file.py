"""Scenario files: TOML, ``extends``, overrides, and the origin of every key."""

import contextlib
import re
import stat
import tomllib
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario import bundled
from coupling.scenario.errors import KeyPath, ScenarioError, key_path, os_error_text

SET: Final = "--set"
_BARE_WORD: Final = re.compile(r"[A-Za-z_./][\w./:\-]*")
"""A name, a hub id or a path."""
EXCLUSIVE_KEYS: Final[dict[tuple[str, str | None], tuple[set[str], set[str]]]] = {
    ("devices.placement", "points"): ({"positions_m"}, {"path"}),
    ("devices.compute", None): ({"speed_per_s"}, {"classes"}),
    ("channel", None): ({"gains"}, {"path_loss", "fading"}),
    ("scheduler", None): ({"delay_budget_s"}, {"delay_budget_s_per_bit"}),
    ("scheduler", "random"): ({"count"}, {"probability"}),
    ("learner.data", None): ({"name"}, {"path"}),
    ("learner.data.columns", None): ({"text"}, {"image"}),
}
"""Pairs of sides that exclude each other, by table and kind (None for every kind).

A later key displaces the other side.
"""
_ARGUMENT_LENGTH: Final = 80
"""Characters of an argument that a line of an error shows."""
_MAXIMUM_BYTES: Final = 8 * 2**20
"""Size of the largest scenario file."""
_MAXIMUM_KEYS: Final = 10_000
"""Number of keys of the largest scenario file."""
_WORD: Final = re.compile(r"\w+")
_MODEL: Final = ("learner", "model")
_LORA_START: Final = ("learner", "lora", "start")
_RENAMED_KEYS: Final[dict[KeyPath, KeyPath]] = {
    ("scheduler", "knowledge"): ("scheduler", "csi"),
}
"""Keys of earlier versions, and the names that they have now."""


@final
@dataclass
class ScenarioFile:
    """The merged tables of a scenario and the origin of every key."""

    path: Path
    raw: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Path | str] = field(default_factory=dict)
    plugin_folders: tuple[Path, ...] = ()
    """Folders with a user's own modules: that of the file, and the working directory."""
    imports_plugins: bool = True
    """Whether the code that the scenario names may be imported."""
    _layers: list[Path | str] = field(default_factory=list)
    """Origins in the order in which they were merged; each is laid over those before it."""

    def origin(self, path: KeyPath) -> Path | str:
        """Return the file (or ``--set``) that wrote a key, or the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.path

    def line(self, path: KeyPath, text: str) -> str:
        """Return the line that reports a fault of the key at ``path``.

        A fault of a table comes from the last layer that wrote one of the keys in the text.
        """
        words = set(_WORD.findall(text))
        layers = [
            origin
            for key, origin in self.origins.items()
            if len(key) > len(path) and key[: len(path)] == path and key[-1] in words
        ]
        origin = max(layers, key=self._layers.index, default=self.origin(path))
        return f"{self.path}: {text} (from {SET})" if origin == SET else f"{origin}: {text}"

    def merge(self, table: Mapping[str, Any], origin: Path | str, below: KeyPath = ()) -> None:
        """Lay ``table`` over the table at the key ``below``, key by key.

        A table whose ``kind`` changes is replaced. A key displaces the keys of other origin that
        exclude it: two in one file, or two ``--set``, are left for validation to refuse.
        """
        if origin not in self._layers:
            self._layers.append(origin)
        target = self.raw
        for part in below:
            target = target[str(part)]
        for key, value in table.items():
            path = (*below, key)
            self._displace(path, target, origin, beside=table)
            old = target.get(key)
            if isinstance(value, Mapping):
                if not isinstance(old, dict) or value.get("kind", old.get("kind")) != old.get(
                    "kind"
                ):
                    target[key] = {}
                    self._forget(path)
                self.origins.setdefault(path, origin)
                self.merge(value, origin, path)
            else:
                target[key] = deepcopy(value)
                if old is not None:
                    self._forget(path)
                self.origins[path] = origin

    def override(self, key: str, value: object) -> None:
        """Set one key, as ``--set`` does: a table is merged, any other value replaces the old one.

        None removes the key, as ``--set key=`` does.
        """
        parts = key.split(".")
        if not all(parts):
            raise ScenarioError(
                f"{SET} {key}: a key is names joined by dots, such as devices.count"
            )
        if key == "extends":
            raise ScenarioError(f"{SET} {key}: only a file can extend another one")
        table = self.raw
        for index, part in enumerate(parts[:-1]):
            if part not in table and value is not None:
                self._displace(tuple(parts[: index + 1]), table, SET)
                table[part] = {}
                self.origins[tuple(parts[: index + 1])] = SET
            inner = table.get(part)
            if not isinstance(inner, dict):
                raise ScenarioError(f"{SET} {key}: {'.'.join(parts[: index + 1])} is not a table")
            table = inner
        if value is None:
            self._remove(parts, table)
            return
        self.merge({parts[-1]: value}, SET, tuple(parts[:-1]))

    def refuse_renamed_keys(self) -> None:
        """Refuse the keys of earlier versions.

        Raises:
            ScenarioError: a key that has another name now; the line gives the name.
        """
        for old, new in _RENAMED_KEYS.items():
            if old in self.origins:
                text = f"{key_path(old)} has been renamed; write {key_path(new)} instead"
                raise ScenarioError(self.line(old, text))

    def resolve_paths(self) -> None:
        """Make every ``path``, the start of LoRA, and a model that is a directory, absolute.

        Paths are relative to the file that names them; those given by ``--set``, to the working
        directory.
        """
        for path in list(self.origins):
            if path[-1] == "path" or path in (_MODEL, _LORA_START):
                self._resolve_path(path)

    def _resolve_path(self, path: KeyPath) -> None:
        table = self.raw
        for part in path[:-1]:
            table = table[str(part)]
        value = table[str(path[-1])]
        origin = self.origin(path)
        if isinstance(value, str) and "\0" in value:
            text = f"{key_path(path)} = {_shortened(value)!r} has a NUL, which no name can have"
            raise ScenarioError(self.line(path, text))
        if isinstance(value, str) and value:
            folder = Path.cwd() if isinstance(origin, str) else origin.parent
            try:
                resolved = (folder / value).resolve()
                if path != _MODEL or resolved.is_dir():
                    table[str(path[-1])] = str(resolved)
            except (OSError, RuntimeError) as error:  # too long a name, or a loop of links
                reason = os_error_text(error) if isinstance(error, OSError) else "a loop of links"
                text = f"{key_path(path)} = {_shortened(value)!r} cannot be used: {reason}"
                raise ScenarioError(self.line(path, text)) from None

    def _displace(
        self,
        path: KeyPath,
        target: dict[str, Any],
        origin: Path | str,
        *,
        beside: Collection[str] = (),
    ) -> None:
        """Remove the keys of lower layers that the key at ``path`` of ``target`` excludes."""
        for excluded in _mutually_exclusive(path, target.get("kind")):
            place = (*path[:-1], excluded)
            if excluded in target and excluded not in beside and self.origin(place) != origin:
                del target[excluded]
                self._forget(place)

    def _remove(self, parts: list[str], table: dict[str, Any]) -> None:
        """Remove a key from the table that holds it."""
        if parts[-1] not in table:
            raise ScenarioError(f"{SET} {'.'.join(parts)}=: there is no such key to remove")
        del table[parts[-1]]
        self._forget(tuple(parts))

    def _forget(self, path: KeyPath) -> None:
        """Remove the origins of a key and of all keys below it."""
        for key in [key for key in self.origins if key[: len(path)] == path]:
            del self.origins[key]


def _mutually_exclusive(path: KeyPath, kind: object) -> frozenset[str]:
    """Return the keys that exclude the key at ``path`` of a table of a kind."""
    table, key = ".".join(map(str, path[:-1])), str(path[-1])
    kinds = (None, kind) if isinstance(kind, str) else (None,)
    for name in kinds:
        one, other = EXCLUSIVE_KEYS.get((table, name), (set(), set()))
        if key in one or key in other:
            return frozenset(other if key in one else one)
    return frozenset()


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
        raise ScenarioError(f"{SET} {_shortened(argument)}: is not key=value")
    if not text.strip():
        return key.strip(), None
    try:
        table = _loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        table = {"value": text.strip()} if _BARE_WORD.fullmatch(text.strip()) else {}
    except ValueError as error:
        raise ScenarioError(f"{SET} {_shortened(argument)}: {error}") from None
    # A line break in the text would bring in further keys.
    if list(table) != ["value"]:
        problem = f"{_shortened(text)!r} is neither a TOML value nor a bare word"
        raise ScenarioError(f"{SET} {_shortened(argument)}: {problem}")
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


def _shortened(text: str) -> str:
    return text if len(text) <= _ARGUMENT_LENGTH else text[: _ARGUMENT_LENGTH - 3] + "..."


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
