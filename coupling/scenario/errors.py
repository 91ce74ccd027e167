"""Errors of scenarios and runs, and the one line of text that a user is shown."""

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from types import TracebackType
from typing import Any, Final, final

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netsim.scheduling import AllocationError

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a scenario to one value."""
MAXIMUM_LINE: Final = 2000
"""Number of characters of the longest line that reports an error.

A worker of a sweep sends such a line through a pipe, which holds 64 KiB, before it ends.
"""


@final
class ScenarioError(ValueError):
    """Wrong input, exit status 2; the text is one line: file, key, value and what is allowed."""

    unreached: str | None = None
    """Key of a model or data set of the hub that could not be looked at, if that is all."""


class RunError(RuntimeError):
    """Failed run, exit status 1; the text is one line: what failed, and in which round."""


@final
class Interrupted(Exception):  # noqa: N818  # not an error: the run was asked to stop
    """Interrupted run, exit status 130; the text is the line that says how to continue."""


def os_error_text(error: OSError) -> str:
    """Return the system's reason for an error, without number and path."""
    # By number where there is one: libraries put words of their own around the system's.
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class if there is none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def flat(error: BaseException, maximum: int = 500) -> str:
    """Return the text of an error on one line, its line breaks and indents as single blanks."""
    return shown(" ".join(str(error).split()) or type(error).__name__, maximum)


def shown(value: object, maximum: int = 200) -> str:
    """Return a value as text of at most ``maximum`` characters, control characters escaped."""
    text = str(value)
    text = text if len(text) <= maximum else f"{text[: maximum - 3]}..."
    return "".join(map(_printable, text))


def shortened(text: str, maximum: int = 80) -> str:
    """Return a text cut to a number of characters, with dots in place of its end."""
    return text if len(text) <= maximum else text[: maximum - 3] + "..."


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


_BOUNDS: Final = {
    "greater_than": "is not greater than {gt}",
    "greater_than_equal": "is not at least {ge}",
    "less_than": "is not less than {lt}",
    "less_than_equal": "is not at most {le}",
    "finite_number": "is not a finite number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "string_type": "is not a string",
    "string_too_short": "has too few characters: at least {min_length}",
    "bool_type": "is neither true nor false",
    "tuple_type": "is not a list",
    "list_type": "is not a list",
    "too_short": "has too few entries: at least {min_length}",
    "too_long": "has too many entries: at most {max_length}",
    "dict_type": "is not a table",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "dataclass_type": "is not a table",
    "dataclass_exact_type": "is not a table",
    "literal_error": "is not one of {expected}",
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "string_pattern_mismatch": "has another form than airtune writes",
    "string_too_long": "has too many characters: at most {max_length}",
    "union_tag_invalid": "is not one of {expected_tags}",
}


_BARE_KEY: Final = re.compile(r"[\w\-]+")


def key_path(path: KeyPath) -> str:
    """Return a key as users write it: ``devices.count``, ``cell.position_m[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = shown(part if _BARE_KEY.fullmatch(part) else json.dumps(part))
            text += f".{name}" if text else name
    return text


def explain(
    error: ValidationError, raw: Mapping[str, Any], schema: Mapping[str, Any], prefix: KeyPath = ()
) -> tuple[KeyPath, str]:
    """Return the key of the first fault of a validation, and the line without the file's name.

    ``raw`` is the scenario as it was given and ``schema`` its JSON Schema; ``prefix`` is the key
    of the table that was validated, where that is not the whole scenario.
    """
    details = _of_fitting_types(error.errors(include_url=False), raw, prefix)
    path = _key(details[0], raw, prefix)
    # A value that may be one of several types fails once per type; the line lists all faults.
    same = [detail for detail in details if _key(detail, raw, prefix) == path]
    value = _value(raw, path)
    key = key_path(path)
    match details[0]["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            owners = _resolve(schema, _node(schema, raw, path), None).get("policies")
            if owners:
                policies = ", ".join(owners)
                return path, f"{key} is unknown to this policy; it is an option of {policies}"
            known = known_keys(schema, raw, path[:-1])
            hint = did_you_mean(path[-1], known) or f"known here: {', '.join(known)}"
            return path, f"{key} is unknown; {hint}"
        case "missing" | "missing_argument":
            return path, f"{key} is missing"
        case "union_tag_not_found":
            kinds = ", ".join(map(repr, _kinds(schema, raw, path)))
            return path, f"{key_path((*path, 'kind'))} is missing: one of {kinds}"
        case "value_error":
            text = str(details[0]["ctx"]["error"])
            return path, f"{key}: {text}" if path else text
        case "union_tag_invalid":
            path = (*path, "kind")
            value = _value(raw, path)
    faults = dict.fromkeys(fault_text(detail) for detail in same)
    return path, f"{key_path(path)} = {_show(value)} {' and '.join(faults)}"


def _of_fitting_types(
    details: list[ErrorDetails], raw: Mapping[str, Any], prefix: KeyPath
) -> list[ErrorDetails]:
    """Return the faults without those of types that a list or table is not meant to have."""
    path = _key(details[0], raw, prefix)
    if not isinstance(_value(raw, path), list | tuple | Mapping):
        return details
    fitting = [
        detail
        for detail in details
        if _key(detail, raw, prefix)[: len(path)] == path
        and not detail["type"].endswith(("_type", "literal_error"))
    ]
    return fitting or details


def unknown(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return the line about a value that is none of the allowed ones, with the nearest of them."""
    line = f"{name} = {_show(value)} is not one of {', '.join(allowed)}"
    hint = did_you_mean(value, allowed)
    return f"{line}; {hint}" if hint else line


def did_you_mean(name: object, known: Sequence[str]) -> str | None:
    """Return the question about the known name that is nearest; None if none is near."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else None


def known_keys(schema: Mapping[str, Any], raw: Mapping[str, Any], path: KeyPath) -> list[str]:
    """Return the keys that a table of a scenario may have, read from the JSON Schema."""
    return list(_resolve(schema, _node(schema, raw, path), _value(raw, path)).get("properties", {}))


def _kinds(schema: Mapping[str, Any], raw: Mapping[str, Any], path: KeyPath) -> list[str]:
    """Return the values that ``kind`` may have in a table."""
    node = _node(schema, raw, path)
    for branch in (node, *node.get("anyOf", [])):
        if "discriminator" in branch:
            return list(branch["discriminator"]["mapping"])
    return []


def _node(schema: Mapping[str, Any], raw: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any]:
    """Return the node of the JSON Schema that describes a key, references not followed."""
    node: Any = schema
    for index, part in enumerate(path):
        table = _resolve(schema, node, _value(raw, path[:index]))
        node = table.get("properties", {}).get(part, {})
    return node


def _resolve(
    schema: Mapping[str, Any], node: Mapping[str, Any], value: object
) -> Mapping[str, Any]:
    """Return the node behind references, in a union that of the table's kind."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    branches = [
        _resolve(schema, branch, value) for branch in node.get("oneOf", node.get("anyOf", []))
    ]
    if not branches:
        return node
    kind = value.get("kind") if isinstance(value, Mapping) else None
    for branch in branches:
        tag = branch.get("properties", {}).get("kind", {})
        if kind is not None and kind in (tag.get("const"), tag.get("default")):
            return branch
    return next((branch for branch in branches if "properties" in branch), node)


def _key(detail: ErrorDetails, raw: Mapping[str, Any], prefix: KeyPath) -> KeyPath:
    """Return the location of an error without the tags that pydantic gives to union members."""
    path: list[str | int] = list(prefix)
    value = _value(raw, prefix)
    for index, part in enumerate(detail["loc"]):
        last = index == len(detail["loc"]) - 1
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        elif not (last and detail["type"] in ("missing", "missing_argument")):
            continue
        path.append(part)
    return tuple(path)


def _value(raw: object, path: KeyPath) -> object:
    for part in path:
        try:
            raw = raw[part]  # type: ignore[index]  # a missing key or a scalar on the way is caught
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def fault_text(detail: ErrorDetails) -> str:
    """Return the fault of a value, to be read after its key: ``is not a whole number``."""
    template = _BOUNDS.get(detail["type"])
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if template is None:
        return f"is not allowed: {detail['msg']}"
    return template.format(**detail.get("ctx", {}))


def _show(value: object) -> str:
    """Return a value as a user would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, date | time) else repr(value)
    return shown(text, 80)


@final
class RoundErrors:
    """Context in which a number that is no longer finite becomes a line that names the round.

    NumPy would only warn, and an infinity or NaN would reach the tables as if physical. The
    context may be entered again inside itself; the outermost one turns the error.

    Raises:
        RunError: an overflow, an invalid number, an allocation that breaks a rule, or no memory.
    """

    def __init__(self, round_number: Callable[[], int]) -> None:
        """Take a function that returns the number of the present round."""
        self._round_number = round_number
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._numpy = np.errstate(over="raise", divide="raise", invalid="raise")
            self._numpy.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._numpy.__exit__(kind, error, trace)
        match error:
            case FloatingPointError() | ZeroDivisionError():
                text = f"{error}; a number in the scenario is extreme"
                raise RunError(f"round {self._round_number()}: {text}") from None
            case AllocationError():
                raise RunError(str(error)) from None
            case ArithmeticError() | MemoryError():
                text = str(error) or "out of memory"
                raise RunError(f"round {self._round_number()}: {text}") from None
