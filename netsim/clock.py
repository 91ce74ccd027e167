"""Simulated clock: the one function that lets simulated time pass, and a bound on its events."""

import math
from typing import Final, final

import simpy

from netsim.errors import StalledError

_MAX_EVENTS: Final = 100_000
"""Number of events of a device in one round beyond which the round is endless."""
_ESTIMATE_EVERY: Final = 1_000
"""Events after which their total number in the step is estimated."""


def wait(env: simpy.Environment, delay_s: float) -> simpy.Timeout:
    """Return the event ``delay_s`` seconds from now.

    Raises:
        ValueError: a negative, infinite or NaN delay. SimPy would accept the last two and then run
            events out of order or never.
    """
    if not 0.0 <= delay_s < math.inf:
        raise ValueError(f"a wait of {delay_s} s is neither zero nor a positive finite time")
    return env.timeout(delay_s)


@final
class EventBound:
    """Bound on the events of the devices, such as turns, in one round.

    The total number is estimated early, so that an endless round ends at once.
    """

    def __init__(self, event: str, remedy: str, maximum: int | None = None) -> None:
        """Begin to count; ``event`` and ``remedy`` are for the text of the error."""
        self._maximum = _MAX_EVENTS if maximum is None else maximum
        self._text = f"{event} more than {self._maximum:,} times within one round; {remedy}"
        self._count = 0
        self.begin_step()

    def begin_step(self) -> None:
        """Begin another step of simulated time, perhaps of other devices; the count continues."""
        self._row = -1
        self._row_s = 0.0

    def add(self, row: int, now_s: float, end_s: float) -> None:
        """Count an event of all devices that are due, one of which is at ``now_s`` of ``end_s``.

        Raises:
            StalledError: there are too many events, or there will be.
        """
        self._count += 1
        phase = self._count % _ESTIMATE_EVERY
        if phase == _ESTIMATE_EVERY // 2:
            self._row, self._row_s = row, now_s
        endless = self._count > self._maximum
        if phase == 0 and row == self._row:
            # Share of the remaining time that the last events took.
            share = (now_s - self._row_s) / max(end_s - now_s, math.ulp(0.0))
            endless |= share * self._maximum < _ESTIMATE_EVERY // 2
        if endless:
            raise StalledError(self._text)
