"""JSON Schema of scenario files, derived from that of whole scenarios."""

from collections.abc import Mapping
from typing import Any, Final

_PART: Final = "-part"
"""Ending of the name of a table's schema in files that extend others."""


def file_schema(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of scenario files, given that of scenarios that extend no other.

    A file that extends another one may leave out any key.
    """
    tables = whole["$defs"]
    top = {key: value for key, value in whole.items() if key != "$defs"}
    part = _partial(top)
    part["properties"]["extends"] = {
        "type": "string",
        "description": "Scenario file over which this one is laid.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "if": {"required": ["extends"]},
        "then": part,
        "else": top,
        "$defs": tables | {f"{name}{_PART}": _partial(table) for name, table in tables.items()},
    }


def _partial(node: Any) -> Any:
    """Return a schema in which no key is required, so that a table may also leave out its
    ``kind``.
    """
    if isinstance(node, list):
        return [_partial(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    part = {
        key: _partial(value)
        for key, value in node.items()
        if key not in ("required", "discriminator")
    }
    if isinstance(node.get("$ref"), str):
        part["$ref"] = f"{node['$ref']}{_PART}"
    if "oneOf" in part:
        part["anyOf"] = part.pop("oneOf")
    return part
