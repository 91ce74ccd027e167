"""JSON Schema of scenarios and of scenario files, with the docstrings of their keys.

pydantic can read the docstrings itself, but does so whenever a class is made: a third of the time
in which a run starts.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

_PART: Final = "-part"
"""Ending of the name of a table's schema in files that extend others."""


@final
class DescribedJsonSchema(GenerateJsonSchema):
    """JSON Schema in which each key is described by the docstring below it."""

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _described(super().model_schema(schema), schema["cls"])

    @override
    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _described(super().dataclass_schema(schema), schema["cls"])


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


def _described(table: JsonSchemaValue, of: type) -> JsonSchemaValue:
    """Return the schema of a class, with the docstrings of its keys as descriptions."""
    keys = table.get("properties", {})
    docstrings = key_docstrings(of)
    for name in keys.keys() & docstrings.keys():
        keys[name].setdefault("description", docstrings[name])
    return table


def key_docstrings(of: type) -> dict[str, str]:
    """Return the docstring of each key of a class, those of its base classes included."""
    docstrings: dict[str, str] = {}
    for base in reversed(of.__mro__[:-1]):
        docstrings |= _docstrings(base)
    return docstrings


def _docstrings(of: type) -> dict[str, str]:
    """Return the docstrings that stand below annotated names in the body of a class."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
    # A class of a library in C, or one that was typed into a shell, has no source.
    except (OSError, TypeError):
        return {}
    found = {}
    for key, text in pairwise(getattr(body, "body", [])):
        if (
            isinstance(key, ast.AnnAssign)
            and isinstance(key.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[key.target.id] = inspect.cleandoc(text.value.value)
    return found


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
