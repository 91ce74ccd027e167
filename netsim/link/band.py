"""A frequency band that devices share, and the transfers over it."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, final

import simpy
from jaxtyping import Float
from numpy import ndarray

from netsim.channel.channel import Channel
from netsim.clock import wait
from netsim.link.transfer import ActiveTransfer, Attempt
from netsim.link.transmission import (
    AbortReason,
    LinkBudget,
    Outage,
    next_usable_block_s,
    plan_transmission,
)

_ROUNDING: Final = 1e-9


@final
class Band:
    """A band in which each scheduled device has a share of its own for a round (FDMA).

    Shares are orthogonal, so a transfer's end follows from its own gains: a transfer is one SimPy
    timeout, however many channel blocks it crosses, and another one for each change of its share. A
    round begins with ``open`` and a device's process calls ``carry`` for each leg. ``release``
    gives a device's share back when its last leg is over; with ``reallocate`` the others get it, in
    proportion to what they have.
    """

    def __init__(
        self,
        env: simpy.Environment,
        bandwidth_hz: float,
        noise_psd: float,
        power_w: Callable[[int, float], float],
        *,
        outage: Outage | None = None,
        reallocate: bool = False,
    ) -> None:
        self._env, self._bandwidth_hz, self._noise_psd, self._power_w = (
            env,
            bandwidth_hz,
            noise_psd,
            power_w,
        )
        self._outage, self._reallocate = outage, reallocate
        self._share_hz: dict[int, float] = {}
        self._sending: dict[int, ActiveTransfer] = {}
        self._ahead: Channel | None = None
        self._deadline_s = float("inf")

    @staticmethod
    def uplink(
        env: simpy.Environment,
        bandwidth_hz: float,
        noise_psd: float,
        tx_power_w: Float[ndarray, " K"],
        *,
        outage: Outage | None = None,
        reallocate: bool = False,
    ) -> "Band":
        """Return a band in which each device puts its own power into its share: ``b log2(1 + P g /
        (b N0))``.
        """
        return Band(
            env,
            bandwidth_hz,
            noise_psd,
            lambda device, share_hz: float(tx_power_w[device]),
            outage=outage,
            reallocate=reallocate,
        )

    @staticmethod
    def downlink(
        env: simpy.Environment,
        bandwidth_hz: float,
        noise_psd: float,
        server_power_w: float,
        *,
        outage: Outage | None = None,
        reallocate: bool = False,
    ) -> "Band":
        """Return a band over which the server spreads its power evenly: ``b log2(1 + P_s g / (B
        N0))``.
        """
        return Band(
            env,
            bandwidth_hz,
            noise_psd,
            lambda device, share_hz: server_power_w * share_hz / bandwidth_hz,
            outage=outage,
            reallocate=reallocate,
        )

    def open(
        self, share_hz: Mapping[int, float], ahead: Channel, deadline_s: float = float("inf")
    ) -> None:
        """Begin a round: who has which share in Hz, the gains ahead, and when all transfers end at
        the latest.

        Raises:
            ValueError: a share that is not positive, or shares that exceed the band.
        """
        assert not self._sending, "a round begins when the transfers of the last one are over"
        if not all(share > 0 for share in share_hz.values()):
            raise ValueError(f"every share must be positive, not {min(share_hz.values())} Hz")
        total_hz = sum(share_hz.values())
        if not total_hz <= self._bandwidth_hz * (1 + _ROUNDING):
            raise ValueError(f"shares of {total_hz} Hz exceed the band of {self._bandwidth_hz} Hz")
        self._share_hz, self._ahead, self._deadline_s = dict(share_hz), ahead, deadline_s

    def share_hz(self, device: int) -> float:
        """Return a device's share of the band in Hz; 0 if it has none."""
        return self._share_hz.get(device, 0.0)

    def sent_bit(self, device: int) -> float | None:
        """Return the bits sent until now of the device's attempt under way; None if there is
        none.
        """
        sending = self._sending.get(device)
        if sending is None:
            return None
        return sending.sent_bit + sending.plan_transmission.bits_until(self._env.now)

    def carry(
        self, device: int, bits: float, leave_s: float = float("inf"), air_s: float = float("inf")
    ) -> Generator[simpy.Event, Any, list[Attempt]]:
        """Send a leg of a device in an open round; return its attempts, the last of which decides.

        The leg is aborted at ``leave_s``, or when its bits have been sent for ``air_s`` seconds:
        what the device's battery can bear. Both are known beforehand, so neither is an event of its
        own.
        """
        attempts = [(yield from self._attempt(device, bits, leave_s, air_s))]
        while self._goes_on(attempts):
            assert self._ahead is not None, "transfers happen in an open round"
            assert self._outage is not None, "only an outage loses bits"
            until_s = min(leave_s, self._deadline_s)
            chance_s = next_usable_block_s(
                self._ahead, device, self._env.now, until_s, self._outage
            )
            if chance_s is None:
                break
            yield wait(self._env, chance_s - self._env.now)
            air_s -= attempts[-1].on_air_s
            attempts.append((yield from self._attempt(device, bits, leave_s, air_s)))
        return attempts

    def release(self, device: int) -> None:
        """Give a device's share back: to the others with ``reallocate``, and unused otherwise."""
        assert device not in self._sending, "a device that sends keeps its share"
        freed_hz = self._share_hz.pop(device)
        rest_hz = sum(self._share_hz.values())
        if not self._reallocate or not rest_hz:
            return
        for other in self._share_hz:
            self._share_hz[other] *= (rest_hz + freed_hz) / rest_hz
        for sending in self._sending.values():
            sending.reschedule()

    def _goes_on(self, attempts: list[Attempt]) -> bool:
        outage = self._outage
        return (
            attempts[-1].status == "lost"
            and outage is not None
            and outage.action == "retry"
            and len(attempts) <= outage.retries
        )

    def _attempt(
        self, device: int, bits: float, leave_s: float, air_s: float
    ) -> Generator[simpy.Event, Any, Attempt]:
        assert device not in self._sending, "a device sends one leg at a time"
        sending = self._sending[device] = ActiveTransfer(device, bits, leave_s, air_s, self._env)
        try:
            while True:
                self._replan(sending)
                yield sending.completion()
                changed = sending.changed
                sending.settle()
                if not changed:
                    return sending.attempt(sending.plan_transmission.status)
        finally:
            del self._sending[device]

    def _replan(self, sending: ActiveTransfer) -> None:
        """Put an attempt on its course with the share that its device has now."""
        assert self._ahead is not None, "transfers happen in an open round"
        device, share_hz = sending.device, self._share_hz[sending.device]
        link = LinkBudget(share_hz, self._power_w(device, share_hz), self._noise_psd)
        left = sending.bits - sending.sent_bit
        sending.share_hz = share_hz
        leaves = sending.leave_s < self._deadline_s
        until_s: float = sending.leave_s if leaves else self._deadline_s
        cut: AbortReason = "aborted" if leaves else "late"
        going = plan_transmission(
            link, self._ahead, device, left, self._env.now, until_s, self._outage, cut
        )
        sending.plan_transmission = going.within(max(0.0, sending.air_s - sending.on_air_s))
