"""Layers of a scenario: the merged tables of its files and overrides, and every key's origin."""

import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario.errors import KeyPath, ScenarioError, key_path, os_error_text, shortened

SET: Final = "--set"
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
            text = f"{key_path(path)} = {shortened(value)!r} has a NUL, which no name can have"
            raise ScenarioError(self.line(path, text))
        if isinstance(value, str) and value:
            folder = Path.cwd() if isinstance(origin, str) else origin.parent
            try:
                resolved = (folder / value).resolve()
                if path != _MODEL or resolved.is_dir():
                    table[str(path[-1])] = str(resolved)
            except (OSError, RuntimeError) as error:  # too long a name, or a loop of links
                reason = os_error_text(error) if isinstance(error, OSError) else "a loop of links"
                text = f"{key_path(path)} = {shortened(value)!r} cannot be used: {reason}"
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
