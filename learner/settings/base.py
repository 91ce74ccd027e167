"""Base class and types of the learner's tables."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=2**53)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
# TOML arrays arrive as lists, which strict validation would not take for tuples.
Names: TypeAlias = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]


def source(text: str) -> FieldInfo:
    """Return field metadata that names the source of a key in docs/scenarios.md.

    ``text`` begins with ``paper``, ``cited`` or ``airtune``. A key without a source has the one of
    its table's ``kind``, and otherwise ``airtune``.
    """
    info: FieldInfo = Field(json_schema_extra={"source": text})
    return info


class Settings(BaseModel):
    """A table of a scenario file: unknown keys, wrong types and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True
    )
