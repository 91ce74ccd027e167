"""How every model of the radio declares its parameters."""

from typing import Annotated

from pydantic import ConfigDict, Field

CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
"""A model is built from a scenario table: no unknown key, no silent conversion, no NaN and no infinity."""

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Point = Annotated[tuple[float, float], Field(strict=False)]
"""x and y in metres; strict mode would refuse the list that TOML has instead of a tuple."""
