"""What a scheduling policy is shown, and what it must answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.allocation import common_delay
from netsim.link import shannon

_FEW: Final = 256


def largest_first(values: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Return the positions of some values, the largest first; ties go to the lowest position."""
    if len(values) <= _FEW:
        return np.argsort(-values, kind="stable")
    order = np.argsort(-values)
    # Without ties, the usual case, the stable order is the same, and several times dearer.
    ranked = values[order]
    return np.argsort(-values, kind="stable") if (ranked[1:] == ranked[:-1]).any() else order


@final
@dataclass(frozen=True)
class History:
    """What the server remembers of each offered device from the rounds before this one."""

    times_scheduled: Int[ndarray, " n"]
    last_round: Int[ndarray, " n"]
    """Last round in which the device was scheduled; 0 before the first time."""
    mean_rate_bps: Float[ndarray, " n"]
    """Mean over all rounds so far of the device's uplink rate, 0 in rounds without it."""
    mean_energy_j: Float[ndarray, " n"] | None = None
    """Mean over all rounds so far of the energy that the device spent on transmission, 0 in rounds
    without it.
    """

    def __post_init__(self) -> None:
        """Show the server's own arrays to read and not to write."""
        for name, values in vars(self).items():
            if values is not None:
                shown = values.view()
                shown.flags.writeable = False
                object.__setattr__(self, name, shown)

    def subset(self, at: Int[ndarray, " m"]) -> "History":
        """Return what is remembered of the devices at some positions."""
        energy_j = self.mean_energy_j
        return History(
            self.times_scheduled[at],
            self.last_round[at],
            self.mean_rate_bps[at],
            None if energy_j is None else energy_j[at],
        )


@final
@dataclass(frozen=True)
class RoundState:
    """Everything a policy is shown at the start of a round.

    The arrays, to read and not to write, have one entry for each device offered, in ascending order
    of ``device``: power gain (no unit), payload (bit), transmit power (W). ``virtual_queue_s`` is
    the queue before the round. The rest describes the downlink of the phased protocol, randomness
    (``rng``, keyed by seed, policy and round) and memory.
    """

    round: int
    gain: Float[ndarray, " n"]
    bits: Float[ndarray, " n"]
    tx_power_w: Float[ndarray, " n"]
    bandwidth_hz: float
    noise_psd: float
    delay_budget_s: float
    virtual_queue_s: float
    device: Int[ndarray, " n"] = field(default_factory=lambda: np.empty(0, int))
    """Ids of the devices offered; by default 0 to n - 1."""
    downlink_bits: Float[ndarray, " n"] | None = None
    downlink_bandwidth_hz: float | None = None
    server_tx_power_w: float | None = None
    rng: np.random.Generator | None = None
    history: History | None = None

    def __post_init__(self) -> None:
        if not self.device.size:
            object.__setattr__(self, "device", np.arange(len(self.gain)))
        # The gains are those that the transfers will meet: a policy that writes into them would
        # change the world.
        for values in (self.gain, self.bits, self.tx_power_w, self.device):
            values.flags.writeable = False

    def subset(self, offered: Bool[ndarray, " n"]) -> "RoundState":
        """Return the state of the same round in which some of the devices are offered, and the
        others are not.
        """
        # Positions, because NumPy takes several times as long for a mask, and there are many
        # arrays.
        at, history = np.flatnonzero(offered), self.history
        return replace(
            self,
            device=self.device[at],
            gain=self.gain[at],
            bits=self.bits[at],
            tx_power_w=self.tx_power_w[at],
            downlink_bits=None if self.downlink_bits is None else self.downlink_bits[at],
            history=None if history is None else history.subset(at),
        )

    def rank_by_gain(self) -> Int[ndarray, " n"]:
        """Return the positions of the devices, strongest gain first; ties go to the lowest device
        number.
        """
        return largest_first(self.gain)

    def by_device(self) -> Int[ndarray, " n"]:
        """Return the positions of the devices in ascending order of their numbers."""
        if (self.device[1:] > self.device[:-1]).all():
            return np.arange(len(self.device))
        return np.argsort(self.device)

    def require_history(self) -> History:
        """Return what the server remembers.

        Raises:
            ValueError: the state carries no history.
        """
        if self.history is None:
            raise ValueError(
                "this policy needs RoundState.history: what happened to each device before"
            )
        return self.history

    def random(self) -> np.random.Generator:
        """Return this round's random numbers.

        Raises:
            ValueError: the state carries no generator.
        """
        if self.rng is None:
            raise ValueError(
                "this policy needs RoundState.rng: a generator keyed by seed, policy and round"
            )
        return self.rng

    def floor(self) -> Float[ndarray, " n"]:
        """Return each device's capacity floor in seconds: its delay with unlimited bandwidth."""
        return shannon.capacity_floor(self.bits, self.gain, self.noise_psd, self.tx_power_w)

    def bandwidth_for(self, delay_s: float) -> Float[ndarray, " n"]:
        """Return the bandwidth in Hz with which each device delivers its bits in ``delay_s``."""
        return common_delay.bandwidth_for_delay(
            self.bits, delay_s, self.gain, self.noise_psd, self.tx_power_w
        )

    def delay(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> float:
        """Return the delay (7) in seconds of the devices at positions ``chosen`` with these
        bandwidths.
        """
        rate_bps = shannon.rate(
            share_hz, self.gain[chosen], self.noise_psd, self.tx_power_w[chosen]
        )
        return float((self.bits[chosen] / rate_bps).max(initial=0.0))

    def delay_both_ways(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> float:
        """Return the longest sum of uplink and downlink delay in seconds of the devices at
        ``chosen``.

        A device's share of the downlink is the same fraction as that of the uplink, and the server
        spreads its power evenly over the downlink: ``b log2(1 + P_s |h|^2 / (B_dl N0))``.
        """
        assert self.downlink_bits is not None, "there is a downlink"
        assert self.downlink_bandwidth_hz is not None, "there is a downlink"
        assert self.server_tx_power_w is not None, "there is a downlink"
        gain, fraction = self.gain[chosen], share_hz / self.bandwidth_hz
        up_bps = shannon.rate(share_hz, gain, self.noise_psd, self.tx_power_w[chosen])
        down_bps = shannon.rate(
            fraction * self.downlink_bandwidth_hz,
            gain,
            self.noise_psd,
            fraction * self.server_tx_power_w,
        )
        delay_s = self.bits[chosen] / up_bps + self.downlink_bits[chosen] / down_bps
        return float(delay_s.max(initial=0.0))

    def min_delay(self, chosen: Int[ndarray, " N"]) -> tuple[float, Float[ndarray, " N"]]:
        """Return the least common delay in seconds of a set, and each one's bandwidth in Hz."""
        return common_delay.min_delay(
            self.bits[chosen],
            self.gain[chosen],
            self.bandwidth_hz,
            self.noise_psd,
            self.tx_power_w[chosen],
        )


@final
@dataclass(frozen=True)
class Allocation:
    """A policy's answer: who takes part, with how much bandwidth, and how long that should take.

    ``devices`` are device ids, strongest first; ``bandwidth_hz`` belongs to them in this order;
    ``delay_s`` is the predicted delay of the round in seconds.
    """

    devices: Int[ndarray, " N"]
    bandwidth_hz: Float[ndarray, " N"]
    delay_s: float
    objective_bound: float | None = None
    """Certificate: no set of devices has a larger J than this, without unit. From ``exact``
    alone.
    """
    iterations: int | None = None
    """Evaluations of all devices' demands that the answer took, where the policy counts them."""

    @staticmethod
    def empty(
        *, objective_bound: float | None = None, iterations: int | None = None
    ) -> "Allocation":
        """Return the allocation of a round without participants."""
        return Allocation(np.empty(0, int), np.empty(0), 0.0, objective_bound, iterations)

    @staticmethod
    def of(
        state: RoundState,
        chosen: Int[ndarray, " N"],
        bandwidth_hz: Float[ndarray, " N"],
        delay_s: float,
    ) -> "Allocation":
        """Return the allocation of the devices at positions ``chosen`` of a state.

        ``delay_s`` is that of the uplink; where there is a downlink, the prediction includes it.
        """
        if state.downlink_bits is not None:
            delay_s = state.delay_both_ways(chosen, bandwidth_hz)
        return Allocation(state.device[chosen], bandwidth_hz, delay_s)

    @staticmethod
    def equal_finish(state: RoundState, chosen: Int[ndarray, " N"]) -> "Allocation":
        """Return the allocation with which the devices at positions ``chosen``, in any order, end
        soonest.

        All end together. Devices without gain could never deliver and are left out.
        """
        chosen = np.sort(chosen[state.gain[chosen] > 0])
        chosen = chosen[largest_first(state.gain[chosen])]
        delay_s, share_hz = state.min_delay(chosen)
        return Allocation.of(state, chosen, share_hz, delay_s)

    def with_certificate(self, objective_bound: float | None, iterations: int) -> "Allocation":
        """Return the same allocation with what is known of its quality and its cost."""
        return Allocation(
            self.devices, self.bandwidth_hz, self.delay_s, objective_bound, iterations
        )


class Policy(ABC):
    """Who takes part in a round, and with how much bandwidth; a function of what it is shown."""

    @abstractmethod
    def schedule(self, state: RoundState) -> Allocation:
        """Return the allocation for this round; it must not keep anything for the next one."""
