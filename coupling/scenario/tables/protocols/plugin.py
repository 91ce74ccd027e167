"""Plug-in protocol tables: classes outside the tree, named ``package.module:Class``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from pydantic import ConfigDict, ValidationInfo, ValidatorFunctionWrapHandler
from typing_extensions import override

from coupling.scenario.tables.protocols.base import ProtocolTable
from netsim.plugin_import import foreign_code, load_class, one_line


def validated(
    value: object, built_in: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> ProtocolTable:
    """Return the protocol table of a value; a ``kind`` with a colon names a plug-in's class."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or ":" not in kind:
        return value if isinstance(value, ProtocolTable) else built_in(value)
    context = info.context or {}
    if not context.get("plugins", True):
        return UnloadedProtocol(kind=kind)
    table = table_class(kind, context.get("folders", ()))
    try:
        with foreign_code():
            return table.model_validate(value, context=info.context)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"kind = {kind!r} cannot be created: {one_line(error)}") from error


def table_class(kind: str, folders: Sequence[Path] = ()) -> type[ProtocolTable]:
    """Return the class ``package.module:Class``; its module is searched in ``folders`` first.

    Raises:
        ValueError: the class cannot be imported, is no protocol table, or builds no process.
    """
    try:
        plugin = load_class(kind, ProtocolTable, folders=folders)  # type: ignore[type-abstract]
    except ValueError as error:
        raise ValueError(f"kind = {error}") from error
    if not callable(getattr(plugin, "build", None)):
        raise ValueError(
            f"kind = {kind!r} has no method build, which returns the protocol's process"
        )
    return plugin


@final
class UnloadedProtocol(ProtocolTable):
    """Stand-in for the table of a plug-in protocol that is not to be imported."""

    model_config = ConfigDict(extra="allow")

    @property
    @override
    def fixed_bits(self) -> float:
        return 1.0

    @override
    def check(self, cell: Any, channel: Any, learner: Any) -> None:
        """Accept the other tables: only the plug-in knows its needs."""
