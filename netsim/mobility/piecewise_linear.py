"""Piecewise-linear trajectories: straight legs, advanced for all devices at once."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.chunks import chunks
from netsim.clock import EventBound
from netsim.geometry import Xy
from netsim.mobility.base import Trajectories

_TOO_FAST: Final = (
    "a device of devices.mobility turns",
    "lower its speed, lengthen its steps, or move devices.placement nearer to the server, which "
    "shortens the rounds",
)
_MAX_TURNS_SINCE_START: Final = 500_000
"""Number of legs from time 0 to a time before the cached legs beyond which it is out of reach."""


@final
@dataclass
class Legs:
    """Legs of n devices: straight from a point at constant velocity, then possibly a pause."""

    step: Int[ndarray, " n"]
    """Number of the leg; leg 0 is the one at time 0."""
    x_m: Float[ndarray, " n"]
    y_m: Float[ndarray, " n"]
    vx_mps: Float[ndarray, " n"]
    vy_mps: Float[ndarray, " n"]
    depart_s: Float[ndarray, " n"]
    arrive_s: Float[ndarray, " n"]
    """End of the movement."""
    until_s: Float[ndarray, " n"]
    """Beginning of the next leg; this one holds from ``depart_s`` until just before."""

    def at(self, time_s: Float[ndarray, "..."]) -> Xy:
        """Return x and y in metres at a time on the leg; at later times, the end of the leg."""
        moved_s = np.minimum(time_s, self.arrive_s) - self.depart_s
        return self.x_m + self.vx_mps * moved_s, self.y_m + self.vy_mps * moved_s

    def select(self, rows: slice | Int[ndarray, " m"]) -> "Legs":
        """Return the legs of some of the devices; those of a slice are a view."""
        return Legs(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows: slice | Int[ndarray, " m"], legs: "Legs") -> None:
        """Replace the legs of some of the devices."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(legs, field.name)

    @staticmethod
    def empty(count: int) -> "Legs":
        """Return uninitialised legs on which no device has departed."""
        legs = Legs(
            *(
                np.empty(count, np.int64 if field.name == "step" else float)
                for field in fields(Legs)
            )
        )
        legs.depart_s[:] = np.inf
        legs.until_s[:] = np.inf
        return legs


class LegSequence(ABC):
    """Leg sequence of every device: leg n is a function of (seed, device, n) and leg n - 1."""

    @abstractmethod
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        """Return leg 0 of each device; it departs at time 0."""

    @abstractmethod
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        """Return the leg after the present one of each device; it departs at its end."""

    @abstractmethod
    def to_plane(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        """Return the positions in the plane of points on legs."""


@final
class PiecewiseLinearMotion(Trajectories):
    """Piecewise-linear motion along a leg sequence.

    The present legs and the previous ones are cached, 128 bytes per device. So a later time costs
    one comparison per device and one draw per new leg, and a time shortly before costs no more. A
    time before the previous leg restarts the device at leg 0.
    """

    def __init__(self, sequence: LegSequence, count: int) -> None:
        self._sequence = sequence
        self._legs = Legs.empty(count)
        self._before = Legs.empty(count)
        self.begin_round()

    @override
    def begin_round(self) -> None:
        self._turns = EventBound(*_TOO_FAST)

    @override
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        count = len(self._legs.step)
        xy_m = np.empty((2, count))
        for chunk in chunks(count):
            legs, before = self._legs.select(chunk), self._before.select(chunk)
            device = np.arange(chunk.start, chunk.stop)
            events = EventBound(*_TOO_FAST)
            back = self._advance(device, legs, before, time_s=time_s, events=events)
            x_m, y_m = legs.at(np.asarray(time_s))
            x_m[back], y_m[back] = before.select(back).at(np.asarray(time_s))
            xy_m[:, chunk] = self._sequence.to_plane(x_m, y_m)
        return xy_m.T

    @override
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        legs, before = self._legs.select(device), self._before.select(device)
        x_m, y_m = np.empty((2, len(times_s), len(device)))
        first = 0
        self._turns.begin_step()
        while first < len(times_s):
            back = self._advance(device, legs, before, time_s=times_s[first], events=self._turns)
            legs.put(back, before.select(back))
            # No device changes its leg before this time, which is later than the present one.
            end = int(np.searchsorted(times_s, legs.until_s.min(initial=np.inf), side="left"))
            on_leg = legs.at(times_s[first:end, None])
            x_m[first:end], y_m[first:end] = self._sequence.to_plane(*on_leg)
            first = end
        return np.stack([x_m.T, y_m.T], axis=2)

    def _advance(
        self,
        device: Int[ndarray, " n"],
        legs: Legs,
        before: Legs,
        *,
        time_s: float,
        events: EventBound,
    ) -> Int[ndarray, " back"]:
        """Advance each device to its leg at ``time_s``; return the rows on their previous leg.

        Raises:
            StalledError: too many legs lie between.
        """
        # Devices whose present leg departs later: on the previous leg, or restarted at leg 0.
        later = np.flatnonzero(legs.depart_s > time_s)
        cached = before.depart_s[later] <= time_s
        restarted = later[~cached]
        # A resumed run may have to advance further than any bound in its first call.
        bounded = not np.isinf(legs.depart_s[restarted]).any()
        if restarted.size:
            events = EventBound(*_TOO_FAST, maximum=_MAX_TURNS_SINCE_START)
            legs.put(restarted, self._sequence.first(device[restarted]))
        # Devices whose present leg is over: one leg further until none is left.
        due = np.flatnonzero(legs.until_s <= time_s)
        while due.size:
            if bounded:
                events.add(int(due[0]), float(legs.depart_s[due[0]]), float(time_s))
            finished = legs.select(due)
            following = self._sequence.following(device[due], finished)
            before.put(due, finished)
            legs.put(due, following)
            due = due[following.until_s <= time_s]
        return later[cached]
