"""Scenario files as they were written: TOML, ``extends``, overrides, and which file each key came
from.
"""

import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario.errors import Path as KeyPath
from coupling.scenario.errors import ScenarioError, os_error_text

SET: Final = "--set"
_BARE_WORD: Final = re.compile(r"[A-Za-z_./][\w./:\-]*")
"""A name, a hub id or a path."""
_RIVALS: Final = (
    frozenset({"name", "path"}),
    frozenset({"delay_budget_s", "delay_budget_s_per_bit"}),
)
"""Keys of one table that exclude each other: one that is set later takes the place of the
others.
"""


@final
@dataclass
class ScenarioFile:
    """The merged tables of a scenario and the origin of every key."""

    path: Path
    raw: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Path | str] = field(default_factory=dict)

    def origin(self, path: KeyPath) -> Path | str:
        """Return the file (or ``--set``) that wrote the key at ``path``, or the nearest table
        around it.
        """
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.path

    def line(self, path: KeyPath, text: str) -> str:
        """Return the line that tells the user about a fault at ``path``."""
        origin = self.origin(path)
        return f"{self.path}: {text} (from {SET})" if origin == SET else f"{origin}: {text}"

    def merge(self, table: Mapping[str, Any], origin: Path | str, at: KeyPath = ()) -> None:
        """Lay ``table`` over the tables at ``at``, key by key; a table whose ``kind`` changes is
        replaced.

        A key displaces those of other origin that exclude it: two in one file, or two ``--set``,
        are left for validation to refuse.
        """
        target = self.raw
        for part in at:
            target = target[str(part)]
        for key, value in table.items():
            path = (*at, key)
            for rival in _rivals(key) & set(target):
                if rival not in table and self.origin((*at, rival)) != origin:
                    del target[rival]
                    self._forget((*at, rival))
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
                self._forget(path)
                self.origins[path] = origin

    def override(self, key: str, value: object) -> None:
        """Set one key, as ``--set`` does; a table is merged, anything else takes the place of what
        was there.

        None takes the key away, as ``--set key=`` does.
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
                table[part] = {}
                self.origins[tuple(parts[: index + 1])] = SET
            below = table.get(part)
            if not isinstance(below, dict):
                raise ScenarioError(f"{SET} {key}: {'.'.join(parts[: index + 1])} is not a table")
            table = below
        if value is None:
            self._remove(parts, table)
            return
        self.merge({parts[-1]: value}, SET, tuple(parts[:-1]))

    def resolve_paths(self) -> None:
        """Make every ``path``, and a model that is a directory, relative to the file that names it
        absolute.

        Paths given by ``--set`` are relative to the working directory.
        """
        for path in list(self.origins):
            if path[-1] == "path" or path == ("learner", "model"):
                self._resolve_path(path)

    def _resolve_path(self, path: KeyPath) -> None:
        table = self.raw
        for part in path[:-1]:
            table = table[str(part)]
        value = table[str(path[-1])]
        origin = self.origin(path)
        if isinstance(value, str) and value:
            folder = Path.cwd() if isinstance(origin, str) else origin.parent
            resolved = (folder / value).resolve()
            if path[-1] == "path" or resolved.is_dir():
                table[str(path[-1])] = str(resolved)

    def _remove(self, parts: list[str], table: dict[str, Any]) -> None:
        """Take a key away from the table that holds it."""
        if parts[-1] not in table:
            raise ScenarioError(f"{SET} {'.'.join(parts)}=: there is no such key to take away")
        del table[parts[-1]]
        self._forget(tuple(parts))

    def _forget(self, path: KeyPath) -> None:
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def _rivals(key: str) -> frozenset[str]:
    return next((keys - {key} for keys in _RIVALS if key in keys), frozenset())


def read(path: Path) -> ScenarioFile:
    """Return a scenario file merged over the files that it extends.

    Raises: ScenarioError: a file that cannot be read or is not TOML, or ``extends`` that is no file
        name or a loop.
    """
    source = ScenarioFile(path)
    try:
        for file, table in reversed(_chain(path)):
            source.merge(table, file)
    except RecursionError:
        raise ScenarioError(f"{path}: is nested too deeply") from None
    return source


def parse_set(argument: str) -> tuple[str, object]:
    """Return the key and the value of ``key=value``; values are TOML, a bare word is a string, and
    nothing is None.

    Raises:
        ScenarioError: no ``=``, or a value that is neither.
    """
    key, equals, text = argument.partition("=")
    if not equals:
        raise ScenarioError(f"{SET} {argument}: is not key=value")
    if not text.strip():
        return key.strip(), None
    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        table = {"value": text.strip()} if _BARE_WORD.fullmatch(text.strip()) else {}
    # A line break in the text would bring in further keys.
    if list(table) != ["value"]:
        raise ScenarioError(f"{SET} {argument}: {text!r} is neither a TOML value nor a bare word")
    return key.strip(), table["value"]


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
        path = path.parent / extends


def _parse(path: Path, named_by: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{path}: is not TOML: not UTF-8 text") from None
    except OSError as error:
        by = f"{named_by}: " if named_by else ""
        raise ScenarioError(f"{by}{path}: cannot be read: {os_error_text(error)}") from None
