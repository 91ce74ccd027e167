"""One attempt to send the bits of a leg, while it is under way and afterwards."""

from dataclasses import dataclass
from typing import final

import simpy

from netsim.clock import wait
from netsim.link.transmission import Status, Transmission


@final
@dataclass(frozen=True)
class Attempt:
    """One attempt to send a leg's bits: a row of the ``transfers`` table."""

    device: int
    bits: float
    bits_delivered: float
    """Bits that were sent; all of them if the status is ``delivered``."""
    start_s: float
    end_s: float
    on_air_s: float
    """Time in which bits were sent: the attempt's duration less the blocks that an outage
    skipped.
    """
    bandwidth_hz: float
    """Mean share of the band over the attempt."""
    status: Status

    @property
    def rate_bps(self) -> float | None:
        """Mean rate over the attempt; None where it took no time."""
        return (
            self.bits_delivered / (self.end_s - self.start_s) if self.end_s > self.start_s else None
        )


@final
class ActiveTransfer:
    """An attempt under way: what was settled up to the last change of its share, and the course
    since.
    """

    def __init__(
        self, device: int, bits: float, leave_s: float, air_s: float, env: simpy.Environment
    ) -> None:
        self.device, self.bits, self.leave_s, self.air_s, self._env = (
            device,
            bits,
            leave_s,
            air_s,
            env,
        )
        self.start_s = self.since_s = float(env.now)
        self.sent_bit = self.on_air_s = self._hz_s = self.share_hz = 0.0
        self.plan_transmission = Transmission((self.since_s,), (0.0,), "delivered")
        self.changed = False
        self._wake = env.event()

    def completion(self) -> simpy.Event:
        """Return the event that comes at the end of the course, or earlier if its share changes."""
        wake = self._wake = self._env.event()
        alarm = wait(self._env, self.plan_transmission.stop_s - self._env.now)
        assert alarm.callbacks is not None, "a new timeout has not been processed"

        def ring(alarm: simpy.Event) -> None:
            if not wake.triggered:  # as it is where the course was given up
                wake.succeed()

        alarm.callbacks.append(ring)
        return wake

    def reschedule(self) -> None:
        """End the course now: the attempt's share has changed."""
        self.changed = True
        if not self._wake.triggered:
            self._wake.succeed()

    def settle(self) -> None:
        """Book what was sent up to now."""
        now_s = float(self._env.now)
        self.sent_bit += self.plan_transmission.bits_until(now_s)
        self.on_air_s += self.plan_transmission.airtime_until(now_s)
        self._hz_s += self.share_hz * (now_s - self.since_s)
        self.since_s, self.changed = now_s, False

    def attempt(self, status: Status) -> Attempt:
        """Return the row of the attempt, which is over."""
        duration_s = self.since_s - self.start_s
        return Attempt(
            self.device,
            self.bits,
            self.bits if status == "delivered" else min(self.sent_bit, self.bits),
            self.start_s,
            self.since_s,
            self.on_air_s,
            self._hz_s / duration_s if duration_s else self.share_hz,
            status,
        )
