"""Plug-in import: a user's classes by ``package.module:Class`` or by the name of an entry point.

Code is taken from given folders, such as that of the scenario file, and from installed packages.
Python's standard library and ``__main__`` modules have no plug-ins and are never imported for one.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, Final, TypeVar, final

from pydantic import (
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.dataclasses import is_pydantic_dataclass, rebuild_dataclass
from pydantic_core import InitErrorDetails
from typing_extensions import override

OWN: Final = frozenset({"airtune", "netsim", "learner", "coupling", "analysis"})
"""Packages of airtune: they are never taken from a folder."""
_MAX_TEXT: Final = 200
_T = TypeVar("_T")


def load_class(
    kind: str, base: type[_T], *, folders: Sequence[Path] = (), group: str | None = None
) -> type[_T]:
    """Return the plug-in class of a name: ``package.module:Class``, or an entry point of ``group``.

    Raises:
        ValueError: the class cannot be imported or is no subclass of ``base``; one line.
    """
    module, _, name = kind.partition(":")
    if ":" not in kind and group is not None and kind in (points := installed(group)):
        module, name, folders = points[kind].module, points[kind].attr, ()
    try:
        with foreign_code():
            loaded: Any = getattr(import_module(module, folders), name)
            if isinstance(loaded, type) and issubclass(loaded, base):
                return loaded
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{kind!r} cannot be imported: {one_line(error)}") from error
    raise ValueError(f"{kind!r} is not a subclass of {_public_name(base)}")


def require_options(plugin: type, options: Mapping[str, object]) -> None:
    """Refuse options that a plug-in's class does not have, or lacks, by its signature.

    Raises:
        ValidationError: the first of them is its location.
        ImportError: the class has no signature; one line.
    """
    named, takes_any = named_parameters(plugin)
    faults = [
        InitErrorDetails(type="missing_argument", loc=(name,), input=options)
        for name, entry in named.items()
        if entry.default is inspect.Parameter.empty and name not in options
    ]
    faults += [
        InitErrorDetails(type="unexpected_keyword_argument", loc=(name,), input=value)
        for name, value in options.items()
        if name not in named and not takes_any
    ]
    if faults:
        raise ValidationError.from_exception_data(plugin.__name__, faults[-1:])


def named_parameters(plugin: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the parameters of a class that have a name, and whether it takes any others.

    Raises:
        ImportError: the class is a plug-in and has no signature; one line.
    """
    with foreign_code():
        if is_pydantic_dataclass(plugin):
            # A class whose build is deferred has no signature of its own yet.
            rebuild_dataclass(plugin)
        parameters = inspect.signature(plugin).parameters.values()
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {entry.name: entry for entry in parameters if entry.kind not in unnamed}
    return named, any(entry.kind is inspect.Parameter.VAR_KEYWORD for entry in parameters)


def _public_name(base: type) -> str:
    """Return the shortest dotted name under which a class can be imported."""
    parts = base.__module__.split(".")
    packages = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    package = next(
        name for name in packages if getattr(sys.modules.get(name), base.__name__, None) is base
    )
    return f"{package}.{base.__name__}"


def installed(group: str) -> dict[str, EntryPoint]:
    """Return the plug-ins that installed packages register in an entry-point group, by name."""
    return {point.name: point for point in entry_points(group=group)}


def or_plugin(base: type[Any], group: str) -> WrapValidator:
    """Return the validator of a table that is built in or that of a plug-in, as ``kind`` says.

    The validation context may have the ``folders`` of plug-ins, and ``plugins``: if that is false,
    no code is imported, and a plug-in's table becomes an ``UnloadedPlugin``. A built-in name never
    leads to a plug-in.
    """

    # The handler and the info of pydantic are protocols, which no runtime check can take.
    def validated(value: Any, built_in: Callable[[Any], Any], info: Any) -> object:
        if isinstance(value, base):
            return value
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if not isinstance(kind, str):
            return built_in(value)
        if ":" not in kind:
            try:
                return built_in(value)
            except ValidationError as error:
                if error.errors()[0]["type"] != "union_tag_invalid" or kind not in installed(group):
                    raise
        context = info.context or {}
        if not context.get("plugins", True):
            return UnloadedPlugin(kind)
        return _from_table(kind, base, value, folders=context.get("folders", ()), group=group)

    return WrapValidator(validated)


@final
@dataclass(frozen=True)
class UnloadedPlugin:
    """Stand-in for the table of a plug-in that is not to be imported."""

    kind: str


def _from_table(
    kind: str, base: type[_T], table: Any, *, folders: Sequence[Path], group: str
) -> _T:
    """Return the object of a plug-in's table."""
    try:
        plugin = load_class(kind, base, folders=folders, group=group)
    except ValueError as error:
        raise ValueError(f"kind = {error}") from error
    if "kind" not in getattr(plugin, "__dataclass_fields__", {}):
        raise ValueError(f"kind = {kind!r} is no dataclass with a field 'kind: str'")
    try:
        require_options(plugin, table)
        with foreign_code():
            return TypeAdapter(plugin).validate_python(table)
    except ImportError as error:
        raise ValueError(f"kind = {kind!r} cannot be created: {one_line(error)}") from error


def import_module(name: str, folders: Sequence[Path] = ()) -> ModuleType:
    """Return a module by its dotted name, from the first folder that has it or else Python's path.

    A module of the same name from another place is not returned; it stays in ``sys.modules`` for
    all other code. ``sys.path`` is the same afterwards. The module's output goes to stderr.

    Raises:
        ImportError: the name is not allowed, the module does not exist, or it fails in any way
            while it is imported, ``SystemExit`` included. The text is one line.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts) or "__main__" in parts:
        raise ImportError(f"{name!r} is not the name of a module with plug-ins")
    if parts[0] in sys.stdlib_module_names:
        raise ImportError(f"{parts[0]!r} is a module of Python, which has no plug-ins; rename it")
    try:
        with foreign_code():
            for folder in folders if parts[0] not in OWN else ():
                file = _file(folder.resolve(), parts)
                if file is not None:
                    return _import_from(folder.resolve(), name, file)
            return importlib.import_module(name)
    except (ValueError, AttributeError) as error:
        raise ImportError(one_line(error)) from error


@contextmanager
def foreign_code() -> Iterator[None]:
    """Run a plug-in's code: its output goes to stderr, and failures become an ImportError.

    Raises:
        ImportError: any exception but ImportError, AttributeError and ValueError, which pass.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (ImportError, AttributeError, ValueError):
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        text = type(error).__name__
        if message := one_line(error):
            text += f": {message}"
        place = extract_tb(error.__traceback__)[-1]
        if not isinstance(error, SyntaxError):  # whose text has file and line
            text += f" ({Path(place.filename).name}, line {place.lineno})"
        raise ImportError(text) from error


def one_line(error: BaseException) -> str:
    """Return the text of an error as one line of printable characters, at most 200 of them."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 (the error is foreign code, too)
        return ""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return shown[:_MAX_TEXT]


@final
class _FolderFinder(MetaPathFinder):
    """Finder of the top-level modules of one folder, except the names of Python and airtune."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname in sys.stdlib_module_names or fullname in OWN:
            return None
        return PathFinder.find_spec(fullname, [self._folder])


def _file(folder: Path, parts: Sequence[str]) -> Path | None:
    """Return the file of a module in a folder, None if the folder does not have it."""
    stem = folder.joinpath(*parts)
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _import_from(folder: Path, name: str, file: Path) -> ModuleType:
    """Import a module from a folder; the file is the one that ``name`` stands for there."""
    loaded = sys.modules.get(name)
    if loaded is not None and _comes_from(loaded, file):
        return loaded
    # Hide modules of the same name that come from another place while this one is imported.
    hidden = _modules_under(name.partition(".")[0])
    foreign = {key: module for key, module in hidden.items() if not _lies_in(module, folder)}
    for key in foreign:
        del sys.modules[key]
    finder = _FolderFinder(folder)
    sys.meta_path.insert(0, finder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        if foreign:
            for key in _modules_under(name.partition(".")[0]):
                del sys.modules[key]
            sys.modules.update(hidden)


def _modules_under(top: str) -> dict[str, ModuleType]:
    """Return the imported modules of a top-level name."""
    return {key: module for key, module in sys.modules.items() if key.partition(".")[0] == top}


def _comes_from(module: ModuleType, file: Path) -> bool:
    """Return whether a module was imported from a file."""
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == file.resolve()


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Return whether a module was imported from a folder or a folder below it."""
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve().is_relative_to(folder)
