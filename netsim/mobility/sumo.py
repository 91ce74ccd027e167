"""SUMO mobility: positions from a floating-car file of the traffic simulator."""

import xml.etree.ElementTree as ET
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.errors import NetworkInputError
from netsim.mobility.base import Mobility
from netsim.mobility.trace import Replay, duplicate_row
from netsim.parameters import CONFIG, Name
from netsim.placement import Placement
from netsim.streams import Streams

_KEY: Final = "devices.mobility.path"
_MOVING: Final = ("vehicle", "person")


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Sumo(Mobility):
    """SUMO trace: vehicles and persons of a floating-car file (option ``--fcd-output``), in metres.

    Device k is the k-th vehicle or person in the file. It moves straight at constant speed from row
    to row. Before its first row it waits at that position; after its last row it stays there. The
    placement has no effect. Vehicles and persons beyond the scenario's number of devices are
    ignored.
    """

    kind: Literal["sumo"] = "sumo"
    path: Name
    """Path of the XML file, in network coordinates (without ``--fcd-output.geo``)."""

    @override
    def motion(self, placement: Placement, count: int, streams: Streams) -> Replay:
        if not Path(self.path).is_file():
            raise NetworkInputError(_KEY, f"{self.path} is not a file")
        numbers: dict[tuple[str, str], int] = {}
        device = array("q")
        rows = array("d")
        try:
            for name, row in _rows(self.path):
                number = numbers.setdefault(name, len(numbers))
                if number < count:
                    device.append(number)
                    rows.extend(row)
        except NetworkInputError:
            raise
        # The parser raises the last two for an encoding that it does not know.
        except (ET.ParseError, OSError, LookupError, ValueError) as error:
            raise NetworkInputError(_KEY, f"{self.path} cannot be read as XML: {error}") from error
        if len(numbers) < count:
            raise NetworkInputError(
                _KEY,
                f"{self.path} has {len(numbers)} vehicles and persons, fewer than "
                f"devices.count = {count}",
            )
        device_ids = np.frombuffer(device, np.int64)
        time_s, x_m, y_m = np.frombuffer(rows, np.float64).reshape(-1, 3).T
        twice = duplicate_row(device_ids, time_s)
        if twice is not None:
            kind, name = list(numbers)[device_ids[twice]]
            raise NetworkInputError(
                _KEY, f"{self.path} places {kind} {name!r} twice at time {time_s[twice]:g}"
            )
        return Replay(device_ids, time_s, x_m=x_m, y_m=y_m, count=count)


def _rows(path: str) -> Iterator[tuple[tuple[str, str], tuple[float, float, float]]]:
    """Yield each row as (kind, id) and (time in s, x in m, y in m); one time step is in memory."""
    events = ET.iterparse(path, events=("start", "end"))
    _, root = next(events)
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
                x_m = _number(moving, "x", path, owner=owner)
                y_m = _number(moving, "y", path, owner=owner)
                yield (moving.tag, name), (time_s, x_m, y_m)
        root.clear()


def _number(element: ET.Element, name: str, path: str, *, owner: str) -> float:
    """Return a finite number from an attribute of an XML element."""
    text = element.get(name)
    if text is None:
        raise NetworkInputError(_KEY, f"{path}: {owner} has no {name}")
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise NetworkInputError(_KEY, f"{path}: {owner} has {name} = {text!r}, not a finite number")
    return value
