"""Transfer of a leg: one attempt while it is active, and its row when it is over."""

from dataclasses import dataclass
from typing import final

import numpy as np
import simpy

from netsim.clock import wait
from netsim.link.transmission import Status, Transmission


@final
@dataclass(frozen=True)
class MeanUse:
    """Mean use of the share over the air time of an attempt; NaN for a link without schemes."""

    used_hz: float
    """Bandwidth that is not left empty."""
    power_share: float
    """Transmit power over the maximum."""
    modulation: float
    """Modulation order in bits per symbol."""
    retransmissions: float
    """Retransmissions of a transport block."""


@final
@dataclass(frozen=True)
class Attempt:
    """Attempt to send the bits of a leg: a row of the ``transfers`` table."""

    device: int
    bits: float
    bits_delivered: float
    """Bits that were sent; all of them if the status is ``delivered``."""
    start_s: float
    end_s: float
    on_air_s: float
    """Air time: duration of the attempt without the blocks that an outage skipped."""
    bandwidth_hz: float
    """Mean share of the band over the attempt."""
    status: Status
    use: MeanUse | None = None
    """Mean use of the share; None under Shannon's (5), and where nothing was on air."""

    @property
    def full_power_s(self) -> float:
        """Air time at the maximum power that costs as much energy."""
        return self.on_air_s if self.use is None else self.on_air_s * self.use.power_share

    @property
    def rate_bps(self) -> float | None:
        """Mean rate over the attempt; None if it took no time."""
        if self.end_s <= self.start_s:
            return None
        return self.bits_delivered / (self.end_s - self.start_s)


@final
class ActiveTransfer:
    """Active transfer: the bits accounted for so far, and the plan since the last change.

    The plan changes when the share of the device changes.
    """

    def __init__(
        self,
        env: simpy.Environment,
        device: int,
        bits: float,
        *,
        departure_s: float,
        airtime_s: float,
    ) -> None:
        self._env = env
        self.device = device
        self.bits = bits
        self.departure_s = departure_s
        """Time at which the device becomes unavailable."""
        self.airtime_s = airtime_s
        """Limit of the air time at maximum power."""
        self.start_s = self.since_s = float(env.now)
        self.sent_bit = self.on_air_s = self._hz_s = self.share_hz = 0.0
        self.transmission = Transmission((self.since_s,), (0.0,), "delivered")
        self._use = np.zeros(4)
        self.changed = False
        """Whether the share changed since the plan was made."""
        self._wake = env.event()

    def completion(self) -> simpy.Event:
        """Return the event of the end of the plan; it comes earlier if the share changes."""
        wake = self._wake = self._env.event()
        alarm = wait(self._env, self.transmission.stop_s - self._env.now)
        assert alarm.callbacks is not None, "a new timeout has not been processed"

        def ring(alarm: simpy.Event) -> None:
            if not wake.triggered:  # it is triggered if the plan was given up
                wake.succeed()

        alarm.callbacks.append(ring)
        return wake

    def reschedule(self) -> None:
        """End the plan now, because the share has changed."""
        self.changed = True
        if not self._wake.triggered:
            self._wake.succeed()

    @property
    def full_power_s(self) -> float:
        """Air time at the maximum power that costs as much energy as the attempt so far."""
        return float(self._use[1]) if self._use[0] else self.on_air_s

    def account(self) -> None:
        """Account for the bits and the air time up to now."""
        now_s = float(self._env.now)
        self.sent_bit += self.transmission.bits_until(now_s)
        self.on_air_s += self.transmission.airtime_until(now_s)
        if self.transmission.use is not None:
            self._use += self.transmission.use_until(now_s)
        self._hz_s += self.share_hz * (now_s - self.since_s)
        self.since_s = now_s
        self.changed = False

    def attempt(self, status: Status) -> Attempt:
        """Return the row of the attempt, which is over."""
        duration_s = self.since_s - self.start_s
        return Attempt(
            device=self.device,
            bits=self.bits,
            bits_delivered=(self.bits if status == "delivered" else min(self.sent_bit, self.bits)),
            start_s=self.start_s,
            end_s=self.since_s,
            on_air_s=self.on_air_s,
            bandwidth_hz=self._hz_s / duration_s if duration_s else self.share_hz,
            status=status,
            use=MeanUse(*(self._use / self.on_air_s).tolist()) if self._use[0] else None,
        )
