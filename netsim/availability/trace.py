"""Trace-driven availability: states from a file."""

from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.availability.base import Availability
from netsim.availability.on_off import OnOffProcess, SojournTimes
from netsim.errors import NetworkInputError
from netsim.input_columns import (
    Coverage,
    as_bools,
    as_device_ids,
    read_columns,
    require_devices,
)
from netsim.parameters import CONFIG, Name, Number
from netsim.streams import Streams

_KEY = "devices.availability.path"


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AvailabilityTrace(Availability):
    """Availability trace: each row holds from its time until the device's next row.

    The last row of a device holds without end; before its first row a device is unavailable.
    Devices of the file beyond the scenario's number are ignored.
    """

    kind: Literal["trace"]
    path: Name
    """Path of a ``.csv`` or ``.parquet`` file with the columns ``device``, ``time_s`` and
    ``available`` (true or false, 1 or 0); rows in any order.
    """
    offset_s: Number = 0.0
    """Time that is added to the times of the file, in seconds; ``-3600`` if it begins at 3,600 s
    and the run is to begin there.
    """

    @override
    def process(self, count: int, streams: Streams) -> OnOffProcess:
        columns = read_columns(
            self.path, ("device", "time_s", "available"), _KEY, flags=("available",)
        )
        device = as_device_ids(columns["device"], self.path, _KEY)
        available = as_bools(columns["available"], "available", self.path, key=_KEY)
        require_devices(device, count, self.path, key=_KEY)
        order = np.lexsort((columns["time_s"], device))
        order = order[device[order] < count]
        time_s = columns["time_s"][order] + self.offset_s
        device, available = device[order], available[order]
        twice = np.flatnonzero((np.diff(device) == 0) & (np.diff(time_s) == 0))
        if twice.size:
            row = twice[0]
            raise NetworkInputError(
                _KEY, f"{self.path} has device {device[row]} twice at time_s = {time_s[row]:g}"
            )
        changed = _changes(device, available)
        first_row = np.searchsorted(device[changed], np.arange(count + 1))
        process = OnOffProcess(_TraceSojourns(first_row, time_s[changed]), count)
        process.coverage = Coverage.of_times(
            _KEY,
            self.path,
            time_s,
            count,
            self.offset_s,
            before="no device is available",
            after="every device keeps its last state",
        )
        return process


def _changes(
    device: Int[ndarray, " rows"], available: Bool[ndarray, " rows"]
) -> Bool[ndarray, " rows"]:
    """Return whether each row changes its device's state; the state before is unavailable."""
    before = np.concatenate([[False], available[:-1] & (device[1:] == device[:-1])])
    return available != before


@final
class _TraceSojourns(SojournTimes):
    """Sojourns between the changes of a trace, by device, with the first row of each device."""

    def __init__(self, first_row: Int[ndarray, " bounds"], time_s: Float[ndarray, " rows"]) -> None:
        self._first_row = first_row
        self._time_s = np.append(time_s, np.inf)

    @override
    def first(self, device: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        return np.ones(len(device), np.int64)

    @override
    def end_s(
        self, device: Int[ndarray, " n"], sojourn: Int[ndarray, " n"], begin_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        row = self._first_row[device] + sojourn - 1
        return np.where(
            row < self._first_row[device + 1],
            self._time_s[np.minimum(row, len(self._time_s) - 1)],
            np.inf,
        )
