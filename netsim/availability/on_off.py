"""On/off availability process: alternating sojourns, advanced for all devices at once."""

from abc import ABC, abstractmethod
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from typing_extensions import override

from netsim.availability.base import AvailabilityProcess
from netsim.chunks import chunks
from netsim.clock import EventBound

_TOO_FAST: Final = (
    "a device of devices.availability comes or goes",
    "raise its mean times",
)


class SojournTimes(ABC):
    """Sojourn times of every device: available in even sojourns, unavailable in odd ones."""

    @abstractmethod
    def first(self, device: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        """Return each device's sojourn at time 0: 0 if it is available, 1 if it is not."""

    @abstractmethod
    def end_s(
        self, device: Int[ndarray, " n"], sojourn: Int[ndarray, " n"], begin_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return the end of a sojourn that began at ``begin_s``; infinite if it never ends."""


@final
class OnOffProcess(AvailabilityProcess):
    """On/off process (alternating renewal process) with given sojourn times.

    The present sojourns are cached, 24 bytes per device. So a later time costs one comparison per
    device and one draw per new sojourn. A time before the present sojourn restarts the device at
    its first one.
    """

    def __init__(self, sojourn_times: SojournTimes, count: int) -> None:
        self._sojourn_times = sojourn_times
        self._sojourn = np.zeros(count, np.int64)
        # No device has a sojourn yet: all begin after any time.
        self._begin_s, self._end_s = np.full((2, count), np.inf)

    @override
    def at(self, time_s: float) -> Bool[ndarray, " K"]:
        available = np.empty(len(self._sojourn), bool)
        for chunk in chunks(len(available)):
            sojourn = self._sojourn[chunk]
            self._advance(
                np.arange(chunk.start, chunk.stop),
                sojourn,
                self._begin_s[chunk],
                end_s=self._end_s[chunk],
                time_s=np.broadcast_to(float(time_s), len(sojourn)),
            )
            np.equal(sojourn & 1, 0, out=available[chunk])
        return available

    @override
    def next_change_s(
        self, device: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        sojourn = self._sojourn[device]
        begin_s, end_s = self._begin_s[device], self._end_s[device]
        self._advance(device, sojourn, begin_s, end_s=end_s, time_s=time_s)
        self._sojourn[device] = sojourn
        self._begin_s[device] = begin_s
        self._end_s[device] = end_s
        return end_s

    def _advance(
        self,
        device: Int[ndarray, " n"],
        sojourn: Int[ndarray, " n"],
        begin_s: Float[ndarray, " n"],
        *,
        end_s: Float[ndarray, " n"],
        time_s: Float[ndarray, " n"],
    ) -> None:
        """Advance each device to its sojourn at its time, in place.

        Raises:
            StalledError: too many sojourns lie between.
        """
        # Devices whose present sojourn begins later: restarted at the first one.
        restarted = np.flatnonzero(begin_s > time_s)
        if restarted.size:
            sojourn[restarted] = self._sojourn_times.first(device[restarted])
            begin_s[restarted] = 0.0
            end_s[restarted] = self._sojourn_times.end_s(
                device[restarted], sojourn[restarted], begin_s[restarted]
            )
        # Devices whose present sojourn is over: one sojourn further until none is left.
        due = np.flatnonzero(end_s <= time_s)
        events = EventBound(*_TOO_FAST)
        while due.size:
            # A resumed run may have to advance further than the bound in its first call.
            if not restarted.size:
                events.add(int(due[0]), float(begin_s[due[0]]), float(time_s[due[0]]))
            sojourn[due] += 1
            begin_s[due] = end_s[due]
            end_s[due] = self._sojourn_times.end_s(device[due], sojourn[due], begin_s[due])
            due = due[end_s[due] <= time_s[due]]
