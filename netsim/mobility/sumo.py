"""SUMO mobility: positions from a floating-car file of the traffic simulator."""

import re
import xml.etree.ElementTree as ET
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.input_columns import UNREADABLE, first_line, open_file
from netsim.mobility.base import Mobility
from netsim.mobility.trace import Replay, duplicate_row
from netsim.parameters import CONFIG, LARGEST_M, Name, Number
from netsim.placement import Placement
from netsim.streams import Streams

_KEY: Final = "devices.mobility.path"
_MOVING: Final = ("vehicle", "person")
_GEOGRAPHIC: Final = re.compile(r"<fcd-output\.geo\s+value=\"(true|1|yes|on|x|t)\"", re.IGNORECASE)
_LARGEST_DEGREES: Final = (180.0, 90.0)
_DEGREES: Final = "degrees are no metres; write it without --fcd-output.geo"


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Sumo(Mobility):
    """SUMO trace: vehicles and persons of a floating-car file (option ``--fcd-output``), in metres.

    Device k is the k-th vehicle or person in the file. It moves straight at constant speed from row
    to row. Before its first row it waits at that position; after its last row it stays there. The
    placement has no effect. Vehicles and persons beyond the scenario's number of devices are
    ignored. Distances need metres: degrees are refused where the head of the file, the speeds, or,
    without speeds, an extent of less than 1 m shows them; so is a single place that could be
    either (``kind = "trace"`` takes a table of metres).
    """

    kind: Literal["sumo"] = "sumo"
    path: Name
    """Path of the XML file, in network coordinates (without ``--fcd-output.geo``); it may be
    compressed with gzip.
    """
    offset_s: Number = 0.0
    """Time that is added to the times of the file, in seconds; ``-3600`` if it begins at 3,600 s
    and the run is to begin there.
    """

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> Replay:
        numbers: dict[tuple[str, str], int] = {}
        device = array("q")
        rows = array("d")
        try:
            with open_file(self.path, _KEY) as file:
                for name, row in _rows(file, self.path):
                    number = numbers.setdefault(name, len(numbers))
                    if number < count:
                        device.append(number)
                        rows.extend(row)
        except NetworkInputError:
            raise
        # The parser raises the last two for an encoding that it does not know.
        except (ET.ParseError, *UNREADABLE, LookupError, ValueError) as error:
            raise NetworkInputError(
                _KEY, f"{self.path} cannot be read as XML: {first_line(error)}"
            ) from error
        if len(numbers) < count:
            raise NetworkInputError(
                _KEY,
                f"{self.path} has {len(numbers)} vehicles and persons, fewer than "
                f"devices.count = {count}",
            )
        device_ids = np.frombuffer(device, np.int64)
        time_s, x_m, y_m, speed_mps = np.frombuffer(rows, np.float64).reshape(-1, 4).T
        twice = duplicate_row(device_ids, time_s)
        if twice is not None:
            kind, name = list(numbers)[device_ids[twice]]
            raise NetworkInputError(
                _KEY, f"{self.path} places {kind} {name!r} twice at time {time_s[twice]:g}"
            )
        _require_metres(device_ids, time_s, np.stack([x_m, y_m]), speed_mps, path=self.path)
        return Replay(
            device_ids,
            time_s + self.offset_s,
            x_m=x_m,
            y_m=y_m,
            count=count,
            path=self.path,
            offset_s=self.offset_s,
        )


def _require_metres(
    device: Int[ndarray, " rows"],
    time_s: Float[ndarray, " rows"],
    xy: Float[ndarray, "2 rows"],
    speed_mps: Float[ndarray, " rows"],
    *,
    path: str,
) -> None:
    """Refuse degrees: positions that move less than a thousandth of what the speeds say.

    Without speeds: positions that all lie within 1 m, a single place too, and could be degrees.
    """
    order = np.lexsort((time_s, device))
    same = np.diff(device[order]) == 0
    by_speed_m = float((np.diff(time_s[order]) * speed_mps[order][1:])[same].sum())
    moved = float(np.hypot(*np.diff(xy[:, order]))[same].sum())
    if by_speed_m > 1 and moved < by_speed_m / 1000:
        problem = (
            f"{path}: its devices move {moved:.3g} by their positions and {by_speed_m:.3g} m by "
            f"their speeds; {_DEGREES}"
        )
        raise NetworkInputError(_KEY, problem)
    x_extent, y_extent = np.ptp(xy, axis=1)
    could_be = (np.abs(xy).max(axis=1) <= _LARGEST_DEGREES).all()
    if by_speed_m <= 1 and could_be and max(x_extent, y_extent) < 1:
        problem = (
            f"{path}: all positions of its devices lie within {x_extent:.3g} by {y_extent:.3g}, "
            f"and no speeds say that these are metres; {_DEGREES}, or give a table of metres with "
            "devices.mobility.kind = 'trace'"
        )
        raise NetworkInputError(_KEY, problem)


def _rows(
    file: BinaryIO, path: str
) -> Iterator[tuple[tuple[str, str], tuple[float, float, float, float]]]:
    """Yield each row as (kind, id) and (time in s, x in m, y in m, speed in m/s or 0).

    One time step is in memory.
    """
    events = ET.iterparse(file, events=("start", "end", "comment"))
    event, root = next(events)
    while event == "comment":
        if _GEOGRAPHIC.search(root.text or ""):
            raise NetworkInputError(_KEY, f"{path}: its head says fcd-output.geo; {_DEGREES}")
        event, root = next(events)
    if root.tag != "fcd-export":
        raise NetworkInputError(
            _KEY, f"{path} is not a floating-car file: its root is {root.tag!r}, not 'fcd-export'"
        )
    for event, step in events:
        if event != "end" or step.tag != "timestep":
            continue
        time_s = _number(step, "time", path, owner="a timestep")
        for moving in step:
            if moving.tag in _MOVING:
                name = moving.get("id", "")
                owner = f"{moving.tag} {name!r} at time {time_s:g}"
                x_m = _number(moving, "x", path, owner=owner, largest=LARGEST_M)
                y_m = _number(moving, "y", path, owner=owner, largest=LARGEST_M)
                speed = moving.get("speed")
                speed_mps = _number(moving, "speed", path, owner=owner) if speed else 0.0
                yield (moving.tag, name), (time_s, x_m, y_m, speed_mps)
        root.clear()


def _number(
    element: ET.Element, name: str, path: str, *, owner: str, largest: float = np.inf
) -> float:
    """Return a finite number from an attribute of an XML element, within ``largest``."""
    text = element.get(name)
    if text is None:
        raise NetworkInputError(_KEY, f"{path}: {owner} has no {name}")
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise NetworkInputError(_KEY, f"{path}: {owner} has {name} = {text!r}, not a finite number")
    if abs(value) > largest:
        raise NetworkInputError(
            _KEY, f"{path}: {owner} has {name} = {text!r}, not within {largest:g} m"
        )
    return value
