"""Parameter types of the radio models: configuration and constrained numbers."""

from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)
"""Configuration of a model that is built from a scenario table: no unknown key, NaN or infinity.

Strictness belongs to the numbers below and not here, because a strict dataclass refuses the table
of a nested model. Use these names instead of ``float``, ``int`` or ``bool``, which accept ``"3"``
as a number.
"""


def _whole(value: float) -> float:
    if value != int(value):
        raise ValueError(f"{value} is not a whole number of bits")
    return value


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} exceeds the upper bound {bounds[1]}")
    return bounds


def source(text: str) -> FieldInfo:
    """Return field metadata that names the source of a key in docs/scenarios.md.

    ``text`` begins with ``paper``, ``cited`` or ``airtune``. A key without a source has the one of
    its table's ``kind``, and otherwise ``airtune``.
    """
    info: FieldInfo = Field(json_schema_extra={"source": text})
    return info


Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NonNegative = Annotated[float, Field(ge=0, strict=True)]
Decibel = Annotated[float, Field(ge=-1000, le=1000, strict=True)]
"""A ratio in dB, within 1,000 dB: beyond, values are unphysical and soon exceed a float."""
Spread = Annotated[float, Field(gt=0, le=100, strict=True)]
"""A standard deviation in dB."""
Count = Annotated[int, Field(ge=1, le=2**53, strict=True)]
"""A number of things; beyond 2^53, arithmetic with floats is not exact."""
Switch = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(min_length=1)]
Bits = Annotated[float, Field(ge=1, le=2**53, strict=True), AfterValidator(_whole)]
"""A whole number of bits; 5e7 counts as one."""
LARGEST_M: Final = 1e8
"""Largest coordinate in metres: beyond, light takes seconds and rounds take years."""
Coordinate = Annotated[float, Field(ge=-LARGEST_M, le=LARGEST_M, strict=True)]
"""A coordinate in metres, within 100,000 km."""
Step = Annotated[float, Field(ge=0, le=LARGEST_M, strict=True)]
"""Step of a lattice in metres; 0 means that there is none."""
Height = Annotated[float, Field(ge=0, le=LARGEST_M, strict=True)]
Point = tuple[Coordinate, Coordinate]
"""x and y in metres."""
Place = tuple[float, ...]
"""x and y in metres, and the height in metres where a scenario has heights."""
Points = Annotated[tuple[Point, ...], Field(min_length=1)]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
"""Minimum and maximum value; equal values mean no spread."""
Heights = Annotated[tuple[Height, Height], AfterValidator(_ascending)]
"""Minimum and maximum height."""
Probability = Annotated[float, Field(gt=0, le=1, strict=True)]
Shares = Annotated[tuple[Probability, Probability], AfterValidator(_ascending)]
"""Minimum and maximum share of a whole."""
