"""Disc placement: devices uniform in a disc."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.geometry import Circle
from netsim.parameters import CONFIG, Point, Positive, source
from netsim.placement.base import Placement
from netsim.streams import Streams, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Disc(Placement):
    """Disc: devices independent and uniform in area, as in section V-A of the paper."""

    kind: Annotated[Literal["disc"], source("paper, section V-A")] = "disc"
    center_m: Point = (0.0, 0.0)
    """Centre of the disc, x and y in metres."""
    radius_m: Positive
    """Radius of the disc in metres."""

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        u = uniform(streams.words(2 * count, "placement")).reshape(count, 2)
        return np.stack(self.region().points(u[:, 0], u[:, 1]), axis=1)

    @override
    def region(self) -> Circle:
        return Circle(*self.center_m, self.radius_m)
