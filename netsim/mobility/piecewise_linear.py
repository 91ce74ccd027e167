"""Movement in straight legs, walked forward for all devices at once."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.chunks import chunks
from netsim.geometry import Xy
from netsim.mobility.base import Trajectories


@final
@dataclass
class Legs:
    """The leg that each of n devices is on: straight from a point at constant velocity, then
    perhaps a pause.
    """

    step: Int[ndarray, " n"]
    """Number of the leg; 0 is the one at time 0."""
    x_m: Float[ndarray, " n"]
    y_m: Float[ndarray, " n"]
    vx_mps: Float[ndarray, " n"]
    vy_mps: Float[ndarray, " n"]
    depart_s: Float[ndarray, " n"]
    arrive_s: Float[ndarray, " n"]
    """When the movement ends."""
    until_s: Float[ndarray, " n"]
    """When the next leg begins; this one holds from ``depart_s`` until just before."""

    def at(self, time_s: Float[ndarray, "..."]) -> Xy:
        """Return x and y in metres at a time on the leg; later times find the device at the leg's
        end.
        """
        moved_s = np.minimum(time_s, self.arrive_s) - self.depart_s
        return self.x_m + self.vx_mps * moved_s, self.y_m + self.vy_mps * moved_s

    def of(self, which: slice | Int[ndarray, " m"]) -> "Legs":
        """Return the legs of some of the devices; those of a slice are a view."""
        return Legs(*(getattr(self, field.name)[which] for field in fields(self)))

    def put(self, which: slice | Int[ndarray, " m"], legs: "Legs") -> None:
        """Replace the legs of some of the devices."""
        for field in fields(self):
            getattr(self, field.name)[which] = getattr(legs, field.name)

    @staticmethod
    def room(count: int) -> "Legs":
        """Return space for legs; no device has departed on them yet."""
        legs = Legs(
            *(
                np.empty(count, np.int64 if field.name == "step" else float)
                for field in fields(Legs)
            )
        )
        legs.depart_s[:], legs.until_s[:] = np.inf, np.inf
        return legs


class LegSequence(ABC):
    """The sequence of legs of every device: leg n is drawn from (seed, device, n) and follows from
    leg n - 1.
    """

    @abstractmethod
    def first(self, device: Int[ndarray, " n"]) -> Legs:
        """Return leg 0 of each device; it departs at time 0."""

    @abstractmethod
    def following(self, device: Int[ndarray, " n"], legs: Legs) -> Legs:
        """Return the leg after the one that each device is on; it departs when that one is over."""

    @abstractmethod
    def place(self, x_m: Float[ndarray, "..."], y_m: Float[ndarray, "..."]) -> Xy:
        """Return where in the plane a point of a leg lies."""


@final
class PiecewiseLinearMotion(Trajectories):
    """Devices that travel along an itinerary.

    The legs reached last and the ones before them are kept, 128 bytes a device, so that time going
    forward costs one comparison a device and one draw a new leg, and a question about a moment ago
    costs no more. They are a cache: devices that are asked about a leg before those start over at
    leg 0.
    """

    def __init__(self, itinerary: LegSequence, count: int) -> None:
        self._itinerary = itinerary
        self._legs, self._before = Legs.room(count), Legs.room(count)

    @override
    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        count = len(self._legs.step)
        xy_m = np.empty((2, count))
        for piece in chunks(count):
            legs, before = self._legs.of(piece), self._before.of(piece)
            back = self._walk(np.arange(piece.start, piece.stop), legs, before, time_s)
            x_m, y_m = legs.at(np.asarray(time_s))
            x_m[back], y_m[back] = before.of(back).at(np.asarray(time_s))
            xy_m[:, piece] = self._itinerary.place(x_m, y_m)
        return xy_m.T

    @override
    def paths(
        self, device: Int[ndarray, " n"], times_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T 2"]:
        legs, before = self._legs.of(device), self._before.of(device)
        x_m, y_m = np.empty((2, len(times_s), len(device)))
        first = 0
        while first < len(times_s):
            back = self._walk(device, legs, before, times_s[first])
            legs.put(back, before.of(back))
            # Nobody changes legs before this time, which is later than the one walked to.
            end = int(np.searchsorted(times_s, legs.until_s.min(initial=np.inf), side="left"))
            on_leg = legs.at(times_s[first:end, None])
            x_m[first:end], y_m[first:end] = self._itinerary.place(*on_leg)
            first = end
        return np.stack([x_m.T, y_m.T], axis=2)

    def _walk(
        self, device: Int[ndarray, " n"], legs: Legs, before: Legs, time_s: float
    ) -> Int[ndarray, " back"]:
        """Bring each device to the leg that it is on at ``time_s``; return those that were on the
        one before.
        """
        over = np.flatnonzero(legs.depart_s > time_s)
        remembered = before.depart_s[over] <= time_s
        lost = over[~remembered]
        if lost.size:
            legs.put(lost, self._itinerary.first(device[lost]))
        due = np.flatnonzero(legs.until_s <= time_s)
        while due.size:
            left = legs.of(due)
            onward = self._itinerary.following(device[due], left)
            before.put(due, left)
            legs.put(due, onward)
            due = due[onward.until_s <= time_s]
        return over[remembered]
