"""Cluster placement: devices around random points (Thomas process)."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.geometry import Circle
from netsim.parameters import CONFIG, Count, Point, Positive, source
from netsim.placement.base import Placement
from netsim.streams import Streams, normal_pairs, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Clusters(Placement):
    """Thomas process (Thomas 1949), given the numbers of clusters and of devices.

    Cluster centres are uniform in a disc. Each device belongs to a uniform random cluster and has a
    normal distribution around its centre in x and in y, so it may lie outside the disc. The Thomas
    process has this law given its total numbers. The region of moving devices is the disc of the
    centres.
    """

    kind: Annotated[Literal["clusters"], source("cited, Thomas 1949")] = "clusters"
    center_m: Point = (0.0, 0.0)
    """Centre of the disc of the cluster centres, x and y in metres."""
    radius_m: Positive
    """Radius of the disc of the cluster centres in metres."""
    clusters: Count
    """Number of clusters."""
    sigma_m: Positive
    """Standard deviation of a device's offset from its cluster centre, in x and in y, in metres."""

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        words = streams.words(4 * count, "placement").reshape(count, 4)
        cluster = (uniform(words[:, 0]) * self.clusters).astype(np.intp)
        offset_m = self.sigma_m * np.stack(normal_pairs(words[:, 1], words[:, 2]), axis=1)
        return self.centers(streams)[cluster] + offset_m

    def centers(self, streams: Streams) -> Float[ndarray, "clusters 2"]:
        """Return x and y of the cluster centres in metres."""
        u = uniform(streams.words(2 * self.clusters, "cluster centres")).reshape(self.clusters, 2)
        return np.stack(self.region().points(u[:, 0], u[:, 1]), axis=1)

    @override
    def region(self) -> Circle:
        return Circle(*self.center_m, self.radius_m)
