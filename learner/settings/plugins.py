"""Plug-in classes of the learner: ``package.module:Class``, or an entry point by its name."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from types import ModuleType
from typing import Final, TypeAlias, TypeVar

from pydantic import Discriminator

from learner.errors import LearnerInputError, one_line

Load: TypeAlias = Callable[[str], ModuleType]
"""Import of a module by its dotted name; a simulation also looks beside the scenario file."""
PLUG_IN: Final = "plug-in"
"""Tag of a plug-in's table among the tables of one key."""
_T = TypeVar("_T")


def installed(group: str) -> dict[str, EntryPoint]:
    """Return the plug-ins that installed packages register in an entry-point group, by name."""
    return {point.name: point for point in entry_points(group=group)}


def by_kind(tags: Mapping[str, str]) -> Discriminator:
    """Return the discriminator of tables by ``kind``: the tag of a built-in name, or PLUG_IN."""

    def tag(value: object) -> str:
        kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
        return tags.get(kind, PLUG_IN) if isinstance(kind, str) else PLUG_IN

    return Discriminator(tag)


def require_known(kind: str, built_in: Sequence[str], group: str) -> str:
    """Return the name of a plug-in: ``package.module:Class``, or one that is registered.

    Raises:
        ValueError: it is neither; the text has the allowed names.
    """
    names = [*built_in, *sorted(installed(group))]
    if ":" not in kind and kind not in names:
        near = difflib.get_close_matches(kind, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"'{kind}' is not one of {', '.join(names)}, 'package.module:ClassName'{hint}"
        )
    return kind


def require_options(maker: type, options: Mapping[str, object], key: str) -> None:
    """Refuse options that a plug-in's class does not have, or lacks, by its signature.

    Raises:
        LearnerInputError: the first of them, below the ``key`` of the plug-in's table.
    """
    parameters = signature(maker).parameters.values()
    any_name = any(entry.kind is Parameter.VAR_KEYWORD for entry in parameters)
    unnamed = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    known = {entry.name: entry for entry in parameters if entry.kind not in unnamed}
    for name in options:
        if name not in known and not any_name:
            near = difflib.get_close_matches(name, known, n=1)
            names = f"known here: {', '.join(known)}" if known else f"{maker.__name__} takes none"
            hint = f"did you mean {near[0]}?" if near else names
            raise LearnerInputError(f"{key}.{name}", f"unknown; {hint}")
    for name, entry in known.items():
        if entry.default is Parameter.empty and name not in options:
            raise LearnerInputError(f"{key}.{name}", f"missing; {maker.__name__} needs it")


def load_class(
    kind: str, base: type[_T], *, load: Load = import_module, group: str | None = None
) -> type[_T]:
    """Return the plug-in class of a name.

    Raises:
        ValueError: there is no such class, or it is no subclass of ``base``; one line.
    """
    module, _, name = kind.partition(":")
    if ":" not in kind:
        points = installed(group) if group is not None else {}
        if kind not in points:
            raise ValueError(f"'{kind}' is not known")
        module, name = points[kind].module, points[kind].attr
    try:
        member = getattr(load(module), name)
        if isinstance(member, type) and issubclass(member, base):
            return member
    except (Exception, SystemExit) as error:  # a plug-in may raise anything
        text = one_line(error) or type(error).__name__
        raise ValueError(f"'{kind}' cannot be imported: {text}") from error
    public = f"{'.'.join(base.__module__.split('.')[:2])}.{base.__name__}"
    raise ValueError(f"'{kind}' is not a subclass of {public}")
