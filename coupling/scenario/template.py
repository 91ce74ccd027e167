"""Template of a scenario: one file with the keys of all its parents, and their comments."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import tomlkit
from pydantic import BaseModel
from tomlkit.items import Comment, Item, Table

from coupling.scenario import file, layers
from coupling.scenario.errors import KeyPath
from coupling.scenario.json_schema import key_docstrings

_WIDTH: Final = 100
_COLUMN: Final = 32
"""Column of the comments behind short values."""


@final
@dataclass(frozen=True)
class Template:
    """Scenario file without parents, and the files that it names beside itself."""

    text: str
    files: Mapping[str, Path] = field(default_factory=dict)
    """File names, relative to the template, and the files to copy."""


def meanings_of(model: BaseModel, above: KeyPath = ()) -> dict[KeyPath, str]:
    """Return the first sentence on each key of a validated scenario, tables included."""
    meanings = {}
    docstrings = key_docstrings(type(model))
    for name in type(model).model_fields:
        path = (*above, name)
        sentence = re.split(r"(?<=[.:;]) ", " ".join(docstrings.get(name, "").split()))[0]
        if sentence and name != "kind":
            meanings[path] = sentence.rstrip(".:;").replace("`", "'")
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            meanings |= meanings_of(value, path)
    return meanings


def template(path: Path, meanings: Mapping[KeyPath, str]) -> Template:
    """Return a scenario file merged with its parents.

    Numbers and comments are those of the files. A key without a comment gets its meaning, where
    ``meanings`` has one.

    Raises:
        ScenarioError: as ``file.read``.
    """
    merged = file.read(path)
    written = {name: _Source.read(name) for name in set(merged.origins.values()) - {layers.SET}}
    files: dict[str, Path] = {}
    for key, origin in merged.origins.items():
        value = _value(merged.raw, key)
        named = (
            Path(origin).parent / value if key[-1] == "path" and isinstance(value, str) else None
        )
        if named is not None and named.is_file():
            files[named.name] = named
    lines = [*_Source.read(path).head]
    for name, value in merged.raw.items():
        if not isinstance(value, Mapping):
            lines += _entry((name,), merged, written, meanings=meanings)
    for name, value in merged.raw.items():
        if isinstance(value, Mapping):
            lines += _table((name,), value, merged, written=written, meanings=meanings)
    return Template("\n".join(lines) + "\n", files)


@final
@dataclass(frozen=True)
class _Source:
    """Text of the values of one file, and the comments before and behind each key."""

    head: list[str]
    """Comments at the top of the file."""
    items: dict[KeyPath, Item] = field(default_factory=dict)
    above: dict[KeyPath, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> "_Source":
        text = Path(path).read_text(encoding="utf-8-sig")
        head = re.match(r"(?:#[^\n]*\n)*", text)
        assert head is not None, "the pattern matches the empty text"
        source = cls(head[0].splitlines())
        source._collect((), tomlkit.parse(text[head.end() :]).body)
        return source

    def text(self, path: KeyPath) -> str | None:
        """Return the text of a value as the file writes it; None where it has no such key."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.items:
                value: Any = self.items[path[:length]]
                for key in path[length:]:
                    value = value[key]
                return tomlkit.item(value).as_string().strip()
        return None

    def _collect(self, above: KeyPath, body: list[tuple[Any, Any]]) -> None:
        comments: list[str] = []
        for key, item in body:
            if isinstance(item, Comment):
                comments.append(item.as_string().strip())
            if key is None:
                continue
            path = (*above, key.key)
            self.items[path] = item
            self.above[path] = comments
            comments = []
            if isinstance(item, Table):
                self._collect(path, item.value.body)


def _table(
    path: KeyPath,
    table: Mapping[str, Any],
    merged: layers.ScenarioFile,
    *,
    written: Mapping[Path | str, _Source],
    meanings: Mapping[KeyPath, str],
) -> Iterator[str]:
    """Yield the lines of a table: its keys, then the tables in it that are too long for a line."""
    yield ""
    yield f"[{'.'.join(map(str, path))}]" + (f"  # {meanings[path]}" if path in meanings else "")
    long = []
    for key, value in table.items():
        is_table = isinstance(value, Mapping)
        text = _text((*path, key), merged, written)
        if is_table and len(f"{key} = {text}") > _WIDTH:
            long.append(key)
        else:
            yield from _entry((*path, key), merged, written, meanings=meanings)
    for key in long:
        yield from _table((*path, key), table[key], merged, written=written, meanings=meanings)


def _entry(
    path: KeyPath,
    merged: layers.ScenarioFile,
    written: Mapping[Path | str, _Source],
    *,
    meanings: Mapping[KeyPath, str],
) -> Iterator[str]:
    """Yield the lines of a key: the comments before it, the value, the comment behind it."""
    source = written[merged.origin(path)]
    yield from source.above.get(path, [])
    line = f"{path[-1]} = {_text(path, merged, written)}"
    item = source.items.get(path)
    comment = "" if item is None else item.trivia.comment.lstrip("# ")
    comment = comment or meanings.get(path, "")
    with_comment = f"{line:{_COLUMN - 1}} # {comment}" if comment else line
    if len(with_comment) <= _WIDTH:
        yield with_comment
    else:
        yield f"# {comment}"
        yield line


def _text(path: KeyPath, merged: layers.ScenarioFile, written: Mapping[Path | str, _Source]) -> str:
    """Return the text of a value, each part as the file writes it from which it comes."""
    value = _value(merged.raw, path)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_text((*path, key), merged, written)}" for key in value)
        return f"{{ {inner} }}" if inner else "{}"
    if path[-1] == "path" and isinstance(value, str):
        named = Path(merged.origin(path)).parent / value
        return tomlkit.item(named.name if named.is_file() else value).as_string()
    return written[merged.origin(path)].text(path) or tomlkit.item(value).as_string()


def _value(raw: Any, path: KeyPath) -> Any:
    for key in path:
        raw = raw[key]
    return raw
