"""Grid placement: devices on a square lattice."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.geometry import Rectangle
from netsim.parameters import CONFIG, Count, Point, Positive
from netsim.placement.base import Placement
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Grid(Placement):
    """Square lattice, filled row by row from the lower left: device k in column ``k mod columns``.

    It has ``rows`` times ``columns`` places; the last places stay empty if there are fewer devices.
    """

    kind: Literal["grid"] = "grid"
    corner_m: Point = (0.0, 0.0)
    """Position of device 0, the lower left corner, x and y in metres."""
    spacing_m: Positive
    """Distance of neighbours in metres."""
    columns: Count
    """Number of places in a row."""
    rows: Count
    """Number of rows."""

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        if count > self.rows * self.columns:
            raise NetworkInputError(
                "devices.placement",
                f"a grid of {self.rows} rows and {self.columns} columns has no room for "
                f"{count} devices",
            )
        row, column = np.divmod(np.arange(count), self.columns)
        return np.asarray(self.corner_m) + self.spacing_m * np.stack([column, row], axis=1)

    @override
    def region(self) -> Rectangle:
        return Rectangle(
            *self.corner_m, self.spacing_m * (self.columns - 1), self.spacing_m * (self.rows - 1)
        )
