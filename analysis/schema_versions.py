"""Schema versions that analysis reads, and the terms that version 2 renamed.

Version 2 renamed the leg ``symbols`` to ``payload`` and the scenario table
``scheduler.knowledge`` to ``scheduler.csi``. Runs of version 1 appear under the new names.
"""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from analysis.layout import PROVENANCE

SCHEMA_VERSION: Final = "2"
"""The newest schema of run directories that this version reads."""

READABLE_VERSIONS: Final = ("1", SCHEMA_VERSION)

_RENAMED_KEYS: Final = {"scheduler.knowledge": "scheduler.csi"}
_RENAMED_LEGS: Final = {"symbols": "payload"}


def unreadable_version(version: object) -> str:
    """Return the error text for a run of a schema version that cannot be read."""
    return (
        f"has schema {version}, this version reads {' and '.join(READABLE_VERSIONS)}; "
        f"read it with the version in its {PROVENANCE}"
    )


def current_key(key: str) -> str:
    """Return the present name of a dotted scenario key."""
    for old, new in _RENAMED_KEYS.items():
        if key == old or key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    return key


def current_scenario(scenario: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a scenario's nested tables with every key under its present name."""
    tables = {}
    for key, entry in scenario.items():
        path = f"{above}{key}"
        name = current_key(path).rsplit(".", 1)[-1]
        tables[name] = current_scenario(entry, f"{path}.") if isinstance(entry, Mapping) else entry
    return tables


def current_legs(table: pa.Table) -> pa.Table:
    """Return a table whose column ``leg``, if there is one, has the present names of the legs."""
    if "leg" not in table.column_names:
        return table
    legs = table["leg"]
    for old, new in _RENAMED_LEGS.items():
        legs = pc.if_else(pc.equal(legs, old), new, legs)
    place = table.column_names.index("leg")
    return table.set_column(place, table.schema.field(place), legs)
