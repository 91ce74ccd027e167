"""Annulus placement: devices in a ring around a point."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.geometry import Ring
from netsim.parameters import CONFIG, Point, Positive
from netsim.placement.base import Placement
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Annulus(Placement):
    """Annulus: devices independent and uniform in area between two circles around one point."""

    kind: Literal["annulus"] = "annulus"
    center_m: Point = (0.0, 0.0)
    """Common centre of the circles, x and y in metres."""
    inner_radius_m: Positive
    """Radius of the inner circle in metres."""
    outer_radius_m: Positive
    """Radius of the outer circle in metres."""

    @model_validator(mode="after")
    def _has_area(self) -> "Annulus":
        if self.outer_radius_m <= self.inner_radius_m:
            raise ValueError(
                f"outer_radius_m = {self.outer_radius_m} is not above "
                f"inner_radius_m = {self.inner_radius_m}"
            )
        return self

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        u = uniform(streams.words(2 * count, "placement")).reshape(count, 2)
        return np.stack(self.region().points(u[:, 0], u[:, 1]), axis=1)

    @override
    def region(self) -> Ring:
        return Ring(*self.center_m, inner_m=self.inner_radius_m, outer_m=self.outer_radius_m)
