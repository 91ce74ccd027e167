"""Source files of the repository, their prose, their classes and their imports."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("netsim", "learner", "coupling", "analysis", "airtune")
FOLDERS = (*PACKAGES, "reproduction", "benchmarks", "tests", "docs", "scenarios")
# Records of the past keep their wording.
HISTORY = ("CHANGELOG.md", "docs/log.md", "docs/decisions/")
CODE_IN_PROSE = re.compile(r"```.*?```|``.*?``|`[^`]*`", re.DOTALL)


@dataclass(frozen=True)
class Prose:
    """A text for human readers and its place; code in backticks is blanked out."""

    path: str
    line: int
    text: str
    module_docstring: bool = False


def files(suffix: str) -> list[Path]:
    """Return the files of the tree with an ending, without records of the past."""
    roots = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob(f"*{suffix}")]
    paths = sorted(path for path in (*roots, *below) if path.suffix == suffix)
    return [path for path in paths if not relative(path).startswith(HISTORY)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def prose() -> tuple[Prose, ...]:
    """Return the docstrings, comments, strings and pages of the whole tree."""
    texts = [text for path in files(".py") for text in python_prose(path)]
    texts += [
        Prose(relative(path), 1, without_code(path.read_text(encoding="utf-8")))
        for path in files(".md")
    ]
    for path in files(".toml"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            _, hash_sign, comment = line.partition("#")
            if hash_sign:
                texts.append(Prose(relative(path), number, without_code(comment)))
    return tuple(texts)


def python_prose(path: Path) -> Iterator[Prose]:
    """Yield the comments, joined over neighbouring lines, and the strings of a Python file."""
    source = path.read_text(encoding="utf-8")
    docstring_line = module_docstring_line(path)
    comment: list[str] = []
    begin = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            begin = begin if comment else token.start[0]
            comment.append(token.string.lstrip("# "))
            continue
        if comment and token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            yield Prose(relative(path), begin, without_code(" ".join(comment)))
            comment = []
        if token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            line = token.start[0]
            text = without_code(token.string)
            yield Prose(relative(path), line, text, module_docstring=line == docstring_line)


def module_docstring_line(path: Path) -> int | None:
    tree = syntax_tree(path)
    return tree.body[0].lineno if ast.get_docstring(tree) is not None else None


def without_code(text: str) -> str:
    """Return the text with code in backticks blanked out and its line breaks kept."""
    return CODE_IN_PROSE.sub(lambda match: "\n" * match[0].count("\n"), text)


def class_places() -> Mapping[str, list[str]]:
    """Return the places of each class name of the tree."""
    places: dict[str, list[str]] = {}
    for path in files(".py"):
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{relative(path)}:{node.lineno}")
    return places


def module_counts() -> Mapping[str, int]:
    """Return the number of modules of each folder of the packages, ``__init__`` not counted."""
    counts: dict[str, int] = {}
    for path in files(".py"):
        if relative(path).startswith(tuple(f"{package}/" for package in PACKAGES)):
            folder = relative(path.parent)
            counts[folder] = counts.get(folder, 0) + (path.name != "__init__.py")
    return counts


def modules() -> Mapping[str, Path]:
    """Return the modules of the packages by their dotted name; a package counts as a module."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    named = {}
    for path in paths:
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imports() -> Mapping[str, set[str]]:
    """Return the modules that each module of the packages names in its imports.

    Imports inside functions and under ``TYPE_CHECKING`` count: they postpone or hide a cycle from
    the interpreter, and a reader still needs both files. A package is a module; the packages above
    a named module do not count.
    """
    known = modules()
    return {name: imported_by(name, path, known) - {name} for name, path in known.items()}


def imported_by(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    targets = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module in known and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                targets.add(submodule if submodule in known else node.module)
    return targets


def import_cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or not."""
    reachable = {name: reachable_from(name, graph) for name in graph}
    groups = {
        tuple(sorted(other for other in targets if name in reachable[other]))
        for name, targets in reachable.items()
        if name in targets
    }
    return [list(group) for group in sorted(groups)]


def reachable_from(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen
