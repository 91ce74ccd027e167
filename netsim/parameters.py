"""How every model of the radio declares its parameters."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""A model is built from a scenario table: no unknown key, no NaN and no infinity.

Strict types belong to the numbers below and not here, where they would refuse a table for a nested model.
"""

Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NonNegative = Annotated[float, Field(ge=0, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Switch = Annotated[bool, Field(strict=True)]


def _whole(value: float) -> float:
    if value != int(value):
        raise ValueError(f"{value} is not a whole number of bits")
    return value


Bits = Annotated[float, Field(ge=1, strict=True), AfterValidator(_whole)]
"""A whole number of bits; 5e7 counts as one."""
Point = tuple[Number, Number]
"""x and y in metres."""
