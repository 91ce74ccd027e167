"""Point placement: devices at given positions."""

from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.geometry import Rectangle
from netsim.input_columns import as_device_ids, read_columns, require_devices
from netsim.parameters import CONFIG, Name
from netsim.parameters import Points as PointList
from netsim.placement.base import Placement
from netsim.streams import Streams

_KEY = "devices.placement.path"


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Points(Placement):
    """Given positions, inline or from a file; there may be more points than devices.

    The region of moving devices is the smallest rectangle along the axes around *all* points.
    """

    kind: Literal["points"] = "points"
    positions_m: PointList | None = None
    """x and y of each device in metres, device 0 first. Excludes ``path``."""
    path: Name | None = None
    """Path of a ``.csv`` or ``.parquet`` file with the columns ``device``, ``x_m``, ``y_m``.
    Excludes ``positions_m``.
    """

    @model_validator(mode="after")
    def _one_source(self) -> "Points":
        if (self.positions_m is None) == (self.path is None):
            raise ValueError("needs positions_m (inline) or path (a file), and not both")
        return self

    @override
    def positions(self, count: int, streams: Streams) -> Float[ndarray, "count 2"]:
        points_m = self._points()
        if count > len(points_m):
            raise NetworkInputError(
                "devices.placement", f"{len(points_m)} points do not place {count} devices"
            )
        return points_m[:count]

    @override
    def region(self) -> Rectangle:
        points_m = self._points()
        low, high = points_m.min(axis=0), points_m.max(axis=0)
        width_m, height_m = high - low
        return Rectangle(
            float(low[0]), float(low[1]), width_m=float(width_m), height_m=float(height_m)
        )

    def _points(self) -> Float[ndarray, "points 2"]:
        if self.path is None:
            return np.array(self.positions_m, dtype=float)
        columns = read_columns(self.path, ("device", "x_m", "y_m"), _KEY)
        device = as_device_ids(columns["device"], self.path, _KEY)
        require_devices(device, len(np.unique(device)), self.path, key=_KEY)
        order = np.argsort(device, kind="stable")
        duplicates = np.flatnonzero(np.diff(device[order]) == 0)
        if duplicates.size:
            raise NetworkInputError(
                _KEY, f"{self.path} places device {device[order][duplicates[0]]} twice"
            )
        return np.stack([columns["x_m"], columns["y_m"]], axis=1)[order]
