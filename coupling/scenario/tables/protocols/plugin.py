"""Plug-in protocol tables: classes outside the tree, named ``package.module:Class``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, ValidatorFunctionWrapHandler

from coupling.scenario.errors import first_line
from coupling.scenario.tables.protocols.base import ProtocolTable
from netsim.plugin_import import import_module


def validated(
    value: object, built_in: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> ProtocolTable:
    """Return the protocol table of a value; a ``kind`` with a colon names a plug-in's class."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or ":" not in kind:
        return value if isinstance(value, ProtocolTable) else built_in(value)
    folders = info.context["folders"] if info.context else ()
    return table_class(kind, folders).model_validate(value, context=info.context)


def is_plugin(table: ProtocolTable) -> bool:
    """Return whether a table belongs to a protocol outside the tree."""
    return ":" in table.kind


def table_class(kind: str, folders: Sequence[Path] = ()) -> type[ProtocolTable]:
    """Return the class ``package.module:Class``; its module is searched in ``folders`` first.

    Raises:
        ValueError: the class cannot be imported, is no protocol table, or builds no process.
    """
    module, _, name = kind.partition(":")
    try:
        plugin = getattr(import_module(module, folders), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"kind = {kind!r} cannot be imported: {first_line(error)}") from None
    except Exception as error:  # a module is foreign code and may raise any exception
        text = f"{type(error).__name__}: {first_line(error)}"
        raise ValueError(f"kind = {kind!r} cannot be imported: {text}") from error
    if not (isinstance(plugin, type) and issubclass(plugin, ProtocolTable)):
        raise ValueError(f"kind = {kind!r} is not a subclass of coupling.scenario.ProtocolTable")
    if not callable(getattr(plugin, "build", None)):
        raise ValueError(
            f"kind = {kind!r} has no method build, which returns the protocol's process"
        )
    return plugin


def add_to_schema(
    schema: Mapping[str, Any], raw: Mapping[str, Any], folders: Sequence[Path]
) -> dict[str, Any]:
    """Return the JSON Schema of scenarios, a plug-in's table included where ``raw`` names one."""
    protocol = raw.get("protocol")
    kind = protocol.get("kind") if isinstance(protocol, Mapping) else None
    if not isinstance(kind, str) or ":" not in kind:
        return dict(schema)
    try:
        plugin = table_class(kind, folders)
    except ValueError:
        return dict(schema)
    table = plugin.model_json_schema(ref_template=f"#/$defs/{kind}.{{model}}")
    own = {f"{kind}.{name}": node for name, node in table.pop("$defs", {}).items()}
    table["properties"]["kind"] = {"const": kind}
    union = schema["properties"]["protocol"]
    protocols = union | {"oneOf": [*union["oneOf"], table]}
    return {
        **schema,
        "properties": {**schema["properties"], "protocol": protocols},
        "$defs": {**schema["$defs"], **own},
    }
