"""Trace-driven mobility: positions from a file."""

from typing import Final, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.input_columns import (
    Coverage,
    as_device_ids,
    read_columns,
    require_coordinates,
    require_devices,
)
from netsim.mobility.base import Mobility, Trajectories
from netsim.parameters import CONFIG, Name, Number
from netsim.placement import Placement
from netsim.streams import Streams

POSITIONS_KEY: Final = "devices.mobility.path"


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PositionTrace(Mobility):
    """Position trace: straight movement at constant speed between the rows of a device.

    Before its first row a device waits at that position; after its last row it stays there. The
    placement has no effect. Devices of the file beyond the scenario's number are ignored.
    """

    kind: Literal["trace"] = "trace"
    path: Name
    """Path of a ``.csv`` or ``.parquet`` file with the columns ``device``, ``time_s``, ``x_m``,
    ``y_m``; rows in any order.
    """
    offset_s: Number = 0.0
    """Time that is added to the times of the file, in seconds; ``-3600`` if it begins at 3,600 s
    and the run is to begin there.
    """

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> Trajectories:
        columns = read_columns(self.path, ("device", "time_s", "x_m", "y_m"), POSITIONS_KEY)
        device = as_device_ids(columns["device"], self.path, POSITIONS_KEY)
        places = {axis: columns[axis] for axis in ("x_m", "y_m")}
        require_coordinates(places, self.path, key=POSITIONS_KEY)
        require_devices(device, count, self.path, key=POSITIONS_KEY)
        kept = device < count
        device, time_s = device[kept], columns["time_s"][kept] + self.offset_s
        twice = duplicate_row(device, time_s)
        if twice is not None:
            raise NetworkInputError(
                POSITIONS_KEY,
                f"{self.path} places device {device[twice]} twice at time_s = {time_s[twice]:g}",
            )
        x_m, y_m = columns["x_m"][kept], columns["y_m"][kept]
        return Replay(
            device, time_s, x_m=x_m, y_m=y_m, count=count, path=self.path, offset_s=self.offset_s
        )


def duplicate_row(device: Int[ndarray, " rows"], time_s: Float[ndarray, " rows"]) -> int | None:
    """Return a row whose device has another row at the same time, None if all are different."""
    order = np.lexsort((time_s, device))
    again = np.flatnonzero((np.diff(device[order]) == 0) & (np.diff(time_s[order]) == 0))
    return int(order[again[0]]) if again.size else None


@final
class Replay(Trajectories):
    """Replay of recorded positions: straight between two rows of a device, at rest outside them.

    The rows are in any order, and each of the devices 0 to ``count - 1`` has at least one row.
    """

    def __init__(
        self,
        device: Int[ndarray, " rows"],
        time_s: Float[ndarray, " rows"],
        *,
        x_m: Float[ndarray, " rows"],
        y_m: Float[ndarray, " rows"],
        count: int,
        path: str,
        offset_s: float = 0.0,
    ) -> None:
        # Rows by device, then by time, and the first row of each device.
        order = np.lexsort((time_s, device))
        self._first_row = np.searchsorted(device[order], np.arange(count + 1))
        self._time_s, self._x_m, self._y_m = time_s[order], x_m[order], y_m[order]
        self.coverage = Coverage.of_times(
            POSITIONS_KEY,
            path,
            time_s,
            count,
            offset_s,
            before="the devices wait at their first positions",
            after="they stay at their last ones",
        )

    @override
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        first, end = self._first_row[:-1], self._first_row[1:]
        return self._at(first, end, np.full(len(first), float(time_s)))

    @override
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        first, end = self._first_row[device], self._first_row[device + 1]
        columns = len(times_s)
        flat = self._at(
            np.repeat(first, columns), np.repeat(end, columns), np.tile(times_s, len(device))
        )
        return flat.reshape(len(device), columns, 2)

    def _at(
        self, first: Int[ndarray, " n"], end: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, "n 2"]:
        """Return the positions at a time per entry, given its device's first and last + 1 row."""
        before = self._last_row_until(first, end, time_s)
        after = np.minimum(before + 1, end - 1)
        span_s = self._time_s[after] - self._time_s[before]
        share = np.clip(
            (time_s - self._time_s[before]) / np.where(span_s > 0, span_s, 1.0), 0.0, 1.0
        )
        return np.stack(
            [
                axis[before] + share * (axis[after] - axis[before])
                for axis in (self._x_m, self._y_m)
            ],
            axis=1,
        )

    def _last_row_until(
        self, first: Int[ndarray, " n"], end: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Int[ndarray, " n"]:
        """Return each device's last row not after its time, or its first row, by bisection."""
        low, high = first.copy(), end.copy()
        while (high - low > 1).any():
            middle = (low + high) // 2
            late = self._time_s[middle] > time_s
            low, high = np.where(late, low, middle), np.where(late, middle, high)
        return low
