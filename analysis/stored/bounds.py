"""Bounded reading of a run's files: sizes, memory, and schemas of scenario and provenance.

A run directory may be another person's: what it says is data, checked before it is used.
"""

import os
import stat
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json

from analysis.errors import TraceError, one_line

MAXIMUM_BYTES: Final = 8 * 2**20
"""Size of the largest scenario or provenance that is read."""
MAXIMUM_ROUNDS: Final = 10**9
MAXIMUM_DEVICES: Final = 10**7
MAXIMUM_PARTS: Final = 10**6
MAXIMUM_TEXT: Final = 200
"""Number of characters of the longest name: of a policy, a protocol, a leg."""
READABLE_SHARE: Final = 0.25
"""Share of the machine's memory that one table may need."""
_MAXIMUM_DEPTH: Final = 16
"""Depth of the deepest document."""
_MAXIMUM_KEYS: Final = 10_000
"""Number of keys of the largest scenario."""
_WORD_BYTES: Final = 8

_FAULTS: Final = {
    "missing": "is missing",
    "model_type": "is not a table",
    "dict_type": "is not a table",
    "list_type": "is not a list",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "string_type": "is not a text",
    "finite_number": "is not a finite number",
    "greater_than": "is not greater than {gt}",
    "greater_than_equal": "is not at least {ge}",
    "less_than_equal": "is not at most {le}",
    "string_too_long": "has too many characters: at most {max_length}",
    "too_short": "has too few entries: at least {min_length}",
    "too_long": "has too many entries: at most {max_length}",
}
"""Texts of the faults of pydantic's types, to be read after a key."""

_Name = Annotated[str, Field(max_length=MAXIMUM_TEXT)]
_Count = Annotated[int, Field(ge=0, le=MAXIMUM_ROUNDS)]


class _Recorded(BaseModel):
    """Table of a document of a run: the keys that analysis uses; others are kept."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _RecordedCell(_Recorded):
    """Schema of ``[cell]``."""

    position_m: Annotated[list[float], Field(min_length=2, max_length=3)] | None = None


class _RecordedKind(_Recorded):
    """Schema of a table with a kind."""

    kind: _Name | None = None


class _RecordedBattery(_Recorded):
    """Schema of ``[devices.battery]``."""

    capacity_j: Annotated[float, Field(gt=0)]


class _RecordedDevices(_Recorded):
    """Schema of ``[devices]``."""

    count: Annotated[int, Field(ge=1, le=MAXIMUM_DEVICES)]
    placement: dict[str, Any] | None = None
    availability: _RecordedKind | None = None
    battery: _RecordedBattery | None = None


class _RecordedChannel(_Recorded):
    """Schema of ``[channel]``."""

    fading: _RecordedKind | None = None


class _RecordedOptimizer(_RecordedKind):
    """Schema of ``[learner.optimizer]``."""

    lr: float | None = None


class _RecordedLearner(_Recorded):
    """Schema of ``[learner]``."""

    optimizer: _RecordedOptimizer | None = None
    data: dict[str, Any] | None = None


class _RecordedScheduler(_RecordedKind):
    """Schema of ``[scheduler]``."""

    delay_budget_s: Annotated[float, Field(gt=0)] | None = None
    delay_budget_s_per_bit: Annotated[float, Field(gt=0)] | None = None
    drift: _Name | None = None
    queue_initial_budgets: float = 0.0


class RecordedScenario(_Recorded):
    """Schema of ``scenario.toml`` in a run directory."""

    seed: Annotated[int, Field(ge=0)]
    rounds: Annotated[int, Field(ge=1, le=MAXIMUM_ROUNDS)]
    devices: _RecordedDevices
    scheduler: _RecordedScheduler
    cell: _RecordedCell | None = None
    protocol: _RecordedKind | None = None
    channel: _RecordedChannel | None = None
    learner: _RecordedLearner | None = None


class RecordedFacts(_Recorded):
    """Schema of ``provenance.json``."""

    schema_version: _Name = Field(alias="schema")
    state: _Name | None = None
    wall_s: Annotated[float, Field(ge=0)] | None = None
    setup_sha256: _Name | None = None
    parts: dict[str, Annotated[int, Field(ge=0, le=MAXIMUM_PARTS)]] | None = None
    round: _Count | None = None


def read_scenario(path: Path) -> dict[str, Any]:
    """Return the content of a run's ``scenario.toml``.

    Raises:
        OSError: it cannot be read.
        TraceError: it is damaged.
    """
    content = _read(path)
    try:
        tables = tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise _damaged(path, "it is nested too deeply") from None
    except ValueError as error:
        raise _damaged(path, one_line(error)) from None
    if (count := _key_count(tables)) > _MAXIMUM_KEYS:
        raise _damaged(path, f"it has {count:,} keys, more than {_MAXIMUM_KEYS:,}")
    return _checked(path, tables, RecordedScenario)


def _key_count(tables: Mapping[str, Any]) -> int:
    """Return the number of keys of a table and of all tables below it, lists aside."""
    inner = [value for value in tables.values() if isinstance(value, Mapping)]
    return len(tables) + sum(map(_key_count, inner))


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the content of a run's ``provenance.json``.

    Raises:
        OSError: it cannot be read.
        TraceError: it is damaged.
    """
    try:
        document = from_json(_read(path))
    except ValueError as error:
        raise _damaged(path, f"it is no JSON: {one_line(error)}") from None
    if not isinstance(document, dict):
        raise _damaged(path, "it is no JSON object")
    return _checked(path, document, RecordedFacts)


def readable_bytes() -> int:
    """Return the memory that one table may need: a quarter of the machine's, in bytes."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(READABLE_SHARE * total)


def parquet_bytes(metadata: pq.FileMetaData, columns: Collection[str]) -> int:
    """Return the memory of columns of a Parquet file, in bytes, from its metadata alone.

    A column needs eight bytes per value, or its uncompressed size if that is more.
    """
    total = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for place in range(metadata.num_columns):
            chunk = chunks.column(place)
            if chunk.path_in_schema.split(".")[0] in columns:
                total += max(_WORD_BYTES * chunk.num_values, chunk.total_uncompressed_size)
    return total


def require_regular(path: Path) -> int:
    """Return the size of a regular file; a pipe or a device is not waited for.

    Raises:
        OSError: it cannot be read.
        TraceError: it is no regular file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _damaged(path, "it is no regular file")
    return status.st_size


def _read(path: Path) -> bytes:
    if (size := require_regular(path)) > MAXIMUM_BYTES:
        raise _damaged(path, f"it has {size:,} bytes, more than {MAXIMUM_BYTES:,}")
    return path.read_bytes()


def _checked(path: Path, document: dict[str, Any], model: type[_Recorded]) -> dict[str, Any]:
    if _is_deep(document):
        raise _damaged(path, "it is nested too deeply")
    try:
        model.model_validate(document)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        key = ".".join(map(str, detail["loc"]))
        raise _damaged(path, f"{key} {_fault_text(detail)}") from None
    return document


def _fault_text(detail: ErrorDetails) -> str:
    """Return the fault of a value, to be read after its key."""
    template = _FAULTS.get(detail["type"])
    if template is None:
        return f"is not allowed: {detail['msg']}"
    return template.format(**detail.get("ctx", {}))


def _is_deep(document: object) -> bool:
    """Return whether a document is nested deeper than any that airtune writes."""
    layer = [document]
    for _ in range(_MAXIMUM_DEPTH):
        layer = [
            inner
            for entry in layer
            if isinstance(entry, Mapping | list)
            for inner in (entry.values() if isinstance(entry, Mapping) else entry)
        ]
    return bool(layer)


def _damaged(path: Path, reason: str) -> TraceError:
    return TraceError(f"{path.parent}: {path.name} is damaged: {reason}")
