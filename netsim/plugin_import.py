"""Import of a user's module from given folders, without a change of ``sys.path``."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

_OWN: Final = __name__.partition(".")[0]
"""Top-level package of this file: it is never taken from a folder."""


def import_module(name: str, folders: Sequence[Path]) -> ModuleType:
    """Return a module by its dotted name, from the first folder that has it or else Python's path.

    A module of the same name from another place is not returned; it stays in ``sys.modules`` for
    all other code. ``sys.path`` is the same afterwards.

    Raises:
        ImportError: the module does not exist.
        Exception: any exception that the module raises while it is imported.
    """
    for folder in folders:
        file = _file(folder.resolve(), name)
        if file is not None and name.partition(".")[0] != _OWN:
            return _import_from(folder.resolve(), name, file)
    return importlib.import_module(name)


def _file(folder: Path, name: str) -> Path | None:
    """Return the file of a module in a folder, None if the folder does not have it."""
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    stem = folder.joinpath(*name.split("."))
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
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
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
