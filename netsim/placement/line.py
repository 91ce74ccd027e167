"""Line placement: devices along a straight road."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.geometry import Segment
from netsim.parameters import CONFIG, Point
from netsim.placement.base import Placement
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Line(Placement):
    """Line: devices independent and uniform on a straight road without width."""

    kind: Literal["line"] = "line"
    start_m: Point
    """Start of the road, x and y in metres."""
    end_m: Point
    """End of the road, x and y in metres."""

    @model_validator(mode="after")
    def _has_length(self) -> "Line":
        if self.start_m == self.end_m:
            raise ValueError(f"start_m and end_m are the same point {list(self.start_m)}")
        return self

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        u = uniform(streams.words(count, "placement"))
        return np.stack(self.region().points(u, u), axis=1)

    @override
    def region(self) -> Segment:
        (x0, y0), (x1, y1) = self.start_m, self.end_m
        return Segment(x0, y0, dx_m=x1 - x0, dy_m=y1 - y0)
