"""Devices that come and go in turns, walked forward for all devices at once."""

from abc import ABC, abstractmethod
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.availability.base import AvailabilityProcess
from netsim.chunks import chunks
from netsim.errors import StalledError

_MOST_TURNS: Final = 1_000_000


class SojournTimes(ABC):
    """The turns of every device, one after the other: those of even number it is available, of odd
    number away.
    """

    @abstractmethod
    def first(self, device: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        """Return the number of the turn that each device has at time 0: 0 if it is available, 1 if
        it is away.
        """

    @abstractmethod
    def end_s(
        self, device: Int[ndarray, " n"], turn: Int[ndarray, " n"], begin_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return when a turn of each device ends that began at ``begin_s``; inf if it never
        does.
        """


@final
class OnOffProcess(AvailabilityProcess):
    """Devices that come and go by a timetable.

    The turns reached last are kept, 24 bytes a device, so that time going forward costs one
    comparison a device and one draw a new turn. They are a cache: a device that is asked about an
    earlier turn starts over at its first.
    """

    def __init__(self, timetable: SojournTimes, count: int) -> None:
        self._timetable = timetable
        self._turn = np.zeros(count, np.int64)
        # Nobody has had a turn yet: every one begins after any time that is asked about.
        self._begin_s, self._end_s = np.full((2, count), np.inf)

    @override
    def at(self, time_s: float) -> Bool[ndarray, " K"]:
        available = np.empty(len(self._turn), bool)
        for piece in chunks(len(available)):
            turn, begin_s, end_s = self._turn[piece], self._begin_s[piece], self._end_s[piece]
            at_s = np.broadcast_to(float(time_s), len(turn))
            self._walk(np.arange(piece.start, piece.stop), turn, begin_s, end_s, at_s)
            np.equal(turn & 1, 0, out=available[piece])
        return available

    @override
    def change_s(
        self, device: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        turn, begin_s, end_s = self._turn[device], self._begin_s[device], self._end_s[device]
        self._walk(device, turn, begin_s, end_s, time_s)
        self._turn[device], self._begin_s[device], self._end_s[device] = turn, begin_s, end_s
        return end_s

    def _walk(
        self,
        device: Int[ndarray, " n"],
        turn: Int[ndarray, " n"],
        begin_s: Float[ndarray, " n"],
        end_s: Float[ndarray, " n"],
        time_s: Float[ndarray, " n"],
    ) -> None:
        """Bring each device to the turn that it has at its time, in place.

        Raises:
            StalledError: a device has had a million turns since it was last asked about.
        """
        over = np.flatnonzero(begin_s > time_s)
        if over.size:
            turn[over], begin_s[over] = self._timetable.first(device[over]), 0.0
            end_s[over] = self._timetable.end_s(device[over], turn[over], begin_s[over])
        due = np.flatnonzero(end_s <= time_s)
        turns = 0
        while due.size:
            turns += 1
            # A resumed run may have to walk as far at once; one that goes on has not got there in
            # this way.
            if turns > _MOST_TURNS and not over.size:
                raise StalledError(
                    f"device {device[due[0]]} came and went {_MOST_TURNS:,} times since it was last looked at; "
                    "raise the mean times of devices.availability"
                )
            turn[due] += 1
            begin_s[due] = end_s[due]
            end_s[due] = self._timetable.end_s(device[due], turn[due], begin_s[due])
            due = due[end_s[due] <= time_s[due]]
