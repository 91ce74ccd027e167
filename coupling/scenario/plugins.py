"""Plug-ins of a scenario: the code that its tables name, and their tables in the JSON Schema."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from coupling.scenario.errors import KeyPath, key_path
from coupling.scenario.tables.protocols.base import ProtocolTable
from netsim import plugin_import, scheduling
from netsim.availability import Availability
from netsim.channel.fading import Fading
from netsim.channel.pathloss import PathLoss
from netsim.mobility import Mobility
from netsim.placement import Placement

_TABLES: Final[dict[KeyPath, tuple[type[Any], str | None]]] = {
    ("protocol",): (ProtocolTable, None),
    ("devices", "placement"): (Placement, "airtune.placement"),
    ("devices", "mobility"): (Mobility, "airtune.mobility"),
    ("devices", "availability"): (Availability, "airtune.availability"),
    ("channel", "path_loss"): (PathLoss, "airtune.path_loss"),
    ("channel", "fading"): (Fading, "airtune.fading"),
}
"""Tables that a plug-in may define: base class and entry-point group."""
_GROUPS: Final = (
    "airtune.policies",
    "airtune.codecs",
    "airtune.partition",
    "airtune.architectures",
)
"""Entry-point groups of the other plug-ins, whose options are checked when they are created."""
_KEYS: Final = ("kind", "aggregation", "architecture")
"""Keys whose value may name a plug-in."""


def named(raw: Mapping[str, Any], below: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield key and name of each plug-in in the tables of a scenario; nothing is imported."""
    groups = (*(group for _, group in _TABLES.values() if group), *_GROUPS)
    offered = set().union(*(plugin_import.installed(group) for group in groups))
    yield from _named(raw, below, offered)


def listed(names: Sequence[tuple[KeyPath, str]]) -> str:
    """Return plug-ins as text: ``scheduler.kind = 'module:Class', ...``."""
    return ", ".join(f"{key_path(path)} = {name!r}" for path, name in names)


def with_tables(
    schema: Mapping[str, Any], raw: Mapping[str, Any], folders: Sequence[Path]
) -> dict[str, Any]:
    """Return the JSON Schema of scenarios, with the tables of the plug-ins that ``raw`` names."""
    whole: dict[str, Any] = deepcopy(dict(schema))
    for path, (base, group) in _TABLES.items():
        kind = _kind(raw, path)
        if kind is None or not (":" in kind or (group and kind in plugin_import.installed(group))):
            continue
        try:
            plugin = plugin_import.load_class(kind, base, folders=folders, group=group)
            with plugin_import.foreign_code():
                table = TypeAdapter(plugin).json_schema(ref_template=f"#/$defs/{kind}.{{model}}")
        except (ValueError, ImportError, AttributeError):
            continue
        own = {f"{kind}.{name}": node for name, node in table.pop("$defs", {}).items()}
        table["properties"]["kind"] = {"const": kind}
        whole["$defs"] |= own
        _union(whole, path).append(table)
    kind = _kind(raw, ("scheduler",))
    if kind is not None and kind not in scheduling.POLICIES:
        with suppress(ValueError, ImportError, AttributeError):
            own_options = scheduling.option_names(scheduling.policy_class(kind, folders))
            table = _resolved(whole, whole["properties"]["scheduler"])
            shared = {n: node for n, node in table["properties"].items() if "policies" not in node}
            table["properties"] = {key: {} for key in sorted(own_options - {"objective"})} | shared
    return whole


def _named(
    raw: Mapping[str, Any], below: KeyPath, offered: set[str]
) -> Iterator[tuple[KeyPath, str]]:
    for key, value in raw.items():
        path = (*below, key)
        if isinstance(value, Mapping):
            yield from _named(value, path, offered)
        elif isinstance(value, list):
            entries = {str(place): entry for place, entry in enumerate(value)}
            tables = {key: entry for key, entry in entries.items() if isinstance(entry, Mapping)}
            yield from _named(tables, path, offered)
        elif key in _KEYS and isinstance(value, str) and (":" in value or value in offered):
            yield path, value


def _kind(raw: Any, path: KeyPath) -> str | None:
    """Return the ``kind`` of a table of a scenario, None if there is no such text."""
    for part in (*path, "kind"):
        raw = raw.get(part) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, str) else None


def _union(schema: dict[str, Any], path: KeyPath) -> list[dict[str, Any]]:
    """Return the members of the union of tables at a key of a JSON Schema."""
    node = schema
    for part in path:
        node = _resolved(schema, node)["properties"][part]
    members: list[dict[str, Any]] = _resolved(schema, node)["oneOf"]
    return members


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return a node behind references, and that of the table where it may also be null."""
    while "$ref" in node or "anyOf" in node:
        node = (
            schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node["anyOf"][0]
        )
    return node
