"""Digest of a scenario: the hash of the settings that a run depends on."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

DIGEST_VERSION: Final = "3"
"""Version of ``Scenario.digest``; a default that changes needs a new one."""


def digest(tables: Mapping[str, object]) -> str:
    """Return the hash of tables of settings."""
    return hashlib.sha256(json.dumps([DIGEST_VERSION, tables], sort_keys=True).encode()).hexdigest()


def with_kinds(chosen: object, whole: object) -> object:
    """Return the chosen keys, with the ``kind`` of every table, even where it is the default."""
    if isinstance(chosen, Mapping) and isinstance(whole, Mapping):
        names = [name for name in whole if name in chosen or name == "kind"]
        return {name: with_kinds(chosen.get(name, whole[name]), whole[name]) for name in names}
    if isinstance(chosen, list) and isinstance(whole, list):
        return [with_kinds(*pair) for pair in zip(chosen, whole, strict=True)]
    return chosen


def without_null(value: object) -> object:
    """Return a table without the keys whose value is None."""
    if isinstance(value, Mapping):
        return {key: without_null(entry) for key, entry in value.items() if entry is not None}
    return value
