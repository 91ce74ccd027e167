"""Round state: the input of a scheduling policy at the start of a round."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.allocation import common_delay
from netsim.allocation.uplink import BlockUplink, ContinuousUplink, Uplink
from netsim.link import shannon
from netsim.link.base import Link
from netsim.link.resource_blocks import ResourceBlocks
from netsim.link.shannon_link import IDEAL, ShannonLink

_FEW: Final = 256


def largest_first(values: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Return the positions of the values in descending order; ties go to the lowest position."""
    if len(values) <= _FEW:
        return np.argsort(-values, kind="stable")
    order = np.argsort(-values)
    # Without ties, the usual case, the stable sort has the same order at several times the cost.
    ranked = values[order]
    return np.argsort(-values, kind="stable") if (ranked[1:] == ranked[:-1]).any() else order


@final
@dataclass(frozen=True)
class History:
    """Participation history of each offered device: totals over the rounds before this one."""

    times_scheduled: Int[ndarray, " n"]
    """Number of rounds in which the device was scheduled."""
    last_round: Int[ndarray, " n"]
    """Last round in which the device was scheduled; 0 before the first time."""
    mean_rate_bps: Float[ndarray, " n"]
    """Mean uplink rate over all rounds so far, counted as 0 in rounds without the device."""
    mean_energy_j: Float[ndarray, " n"] | None = None
    """Mean energy spent on transmission over all rounds so far, 0 in rounds without the device."""

    def __post_init__(self) -> None:
        _make_read_only(self, _HISTORY_ARRAYS)

    def subset(self, positions: Int[ndarray, " m"]) -> "History":
        """Return the history of the devices at some positions."""
        return replace(self, **_taken(self, _HISTORY_ARRAYS, positions))


_HISTORY_ARRAYS: Final = tuple(column.name for column in fields(History))


@final
@dataclass(frozen=True)
class RoundState:
    """State of the cell at the start of a round: the input of a policy.

    The arrays are read-only. They have one entry per offered device, in ascending order of
    ``device``, except ``available``, which spans all K devices. An optional field is None if it
    does not apply or if the state was built without it.
    """

    round: int
    """Round number; rounds count from 1."""
    gain: Float[ndarray, " n"]
    """Power gain as the server knows it, without unit."""
    bits: Float[ndarray, " n"]
    """Payload of the uplink in bit."""
    tx_power_w: Float[ndarray, " n"]
    """Transmit power in W."""
    bandwidth_hz: float
    """Bandwidth of the uplink in Hz."""
    noise_psd: float
    """Noise power spectral density in W/Hz."""
    delay_budget_s: float
    """Mean delay of a round that (8) allows, in seconds."""
    virtual_queue_s: float
    """Virtual queue before the round, in seconds."""
    device: Int[ndarray, " n"] = field(default_factory=lambda: np.empty(0, int))
    """Ids of the offered devices; by default 0 to n - 1."""
    downlink_bits: Float[ndarray, " n"] | None = None
    """Payload of the downlink of the phased protocol in bit."""
    downlink_bandwidth_hz: float | None = None
    """Bandwidth of the downlink in Hz."""
    server_tx_power_w: float | None = None
    """Transmit power of the server in W."""
    rng: np.random.Generator | None = None
    """Random numbers of this round, keyed by seed, policy and round."""
    history: History | None = None
    """Participation in the rounds before this one."""
    battery_j: Float[ndarray, " n"] | None = None
    """Charge of the battery in joules; NaN for a device without battery."""
    position_m: Float[ndarray, "n 2"] | None = None
    """Position in metres; NaN if the channel has no geometry."""
    distance_m: Float[ndarray, " n"] | None = None
    """Distance from the server in metres; NaN if the channel has no geometry."""
    samples: Float[ndarray, " n"] | None = None
    """Number of training samples of the device; NaN without training data."""
    last_loss: Float[ndarray, " n"] | None = None
    """Training loss of the device's last update that arrived; NaN before the first one."""
    last_gradient_norm: Float[ndarray, " n"] | None = None
    """Gradient norm of the device's last update that arrived; NaN before the first one."""
    speed_per_s: Float[ndarray, " n"] | None = None
    """Compute speed in operations per second; NaN if computation takes no time."""
    rounds_since_arrival: Float[ndarray, " n"] | None = None
    """Rounds since the device's last update arrived, 1 if in the last round; NaN for never."""
    available: Bool[ndarray, " K"] | None = None
    """Whether each of all K devices is available, indexed by device id."""
    deadline_s: float | None = None
    """Time after the start of the round at which the server stops waiting, in seconds."""
    link: Link = IDEAL
    """Link model; by default the rate is (5)."""
    blocks: ResourceBlocks | None = None
    """Resource blocks of the uplink; then every bandwidth is a whole number of blocks, and
    ``bandwidth_hz`` is that of all blocks.
    """
    power_per_block_w: Float[ndarray, " n"] | None = None
    """Transmit power over one block in W; ``tx_power_w`` is the maximum. None without power
    control.
    """

    def __post_init__(self) -> None:
        if not self.device.size:
            object.__setattr__(self, "device", np.arange(len(self.gain)))
        # The transfers meet these gains: a policy that writes into them would change the world.
        for values in (self.gain, self.bits, self.tx_power_w, self.device):
            values.flags.writeable = False
        # The simulation writes into its own arrays between rounds: a policy gets a view of them.
        _make_read_only(self, (*_OPTIONAL_ARRAYS, "available"))

    def subset(self, offered: Bool[ndarray, " n"]) -> "RoundState":
        """Return the state of the same round with some of its devices; ``available`` stays."""
        # NumPy takes positions several times faster than a mask, and there are many arrays.
        positions = np.flatnonzero(offered)
        history = self.history
        return replace(
            self,
            **_taken(self, (*_REQUIRED_ARRAYS, *_OPTIONAL_ARRAYS), positions),
            history=None if history is None else history.subset(positions),
        )

    def rank_by_gain(self) -> Int[ndarray, " n"]:
        """Return the positions of the devices, strongest gain first; ties go to the lowest id."""
        return largest_first(self.gain)

    def by_device(self) -> Int[ndarray, " n"]:
        """Return the positions of the devices in ascending order of their ids."""
        if (self.device[1:] > self.device[:-1]).all():
            return np.arange(len(self.device))
        return np.argsort(self.device)

    def require_history(self) -> History:
        """Return the history.

        Raises:
            ValueError: the state has no history.
        """
        if self.history is None:
            raise ValueError(
                "this policy needs RoundState.history: the participation of each device so far"
            )
        return self.history

    def require_rng(self) -> np.random.Generator:
        """Return the generator of this round.

        Raises:
            ValueError: the state has no generator.
        """
        if self.rng is None:
            raise ValueError(
                "this policy needs RoundState.rng: a generator keyed by seed, policy and round"
            )
        return self.rng

    @cached_property
    def uplink(self) -> Uplink | None:
        """Uplink under a link model or in resource blocks; None where the rate is (5)."""
        if self.blocks is not None:
            return BlockUplink(
                self.link,
                self.blocks,
                self.bits,
                gain=self.gain,
                tx_power_w=self.tx_power_w,
                noise_psd=self.noise_psd,
                power_per_block_w=self.power_per_block_w,
            )
        if self.link.is_ideal:
            return None
        if not isinstance(self.link, ShannonLink):
            raise ValueError(f"{type(self.link).__name__} needs resource blocks")
        return ContinuousUplink(
            self.link,
            self.bits,
            self.gain,
            tx_power_w=self.tx_power_w,
            bandwidth_hz=self.bandwidth_hz,
            noise_psd=self.noise_psd,
        )

    def reachable(self) -> Bool[ndarray, " n"]:
        """Return whether each device can send, and receive where there is a downlink."""
        if self.uplink is None:
            return self.gain > 0
        return self._reachable

    @cached_property
    def _reachable(self) -> Bool[ndarray, " n"]:
        assert self.uplink is not None, "only link models put devices with a gain out of reach"
        reachable = self.uplink.reachable()
        if self.downlink_bits is None:
            return reachable
        assert self.downlink_bandwidth_hz is not None, "there is a downlink"
        assert self.server_tx_power_w is not None, "there is a downlink"
        power_psd = self.server_tx_power_w / self.downlink_bandwidth_hz
        return reachable & (
            self.link.rate_at_density(1.0, self.gain, self.noise_psd, power_psd) > 0
        )

    def floor(self) -> Float[ndarray, " n"]:
        """Return the capacity floor of each device in seconds: delay with unlimited bandwidth.

        In resource blocks it is the delay with all of them.
        """
        if self.uplink is not None:
            return self.uplink.floor()
        return shannon.capacity_floor(
            self.bits, self.gain, self.noise_psd, tx_power_w=self.tx_power_w
        )

    def bandwidth_for(self, delay_s: float) -> Float[ndarray, " n"]:
        """Return the bandwidth of each device in Hz that delivers its bits in ``delay_s``.

        Infinite if no bandwidth suffices.
        """
        if self.uplink is not None:
            needed_hz = self.uplink.bandwidth_for(delay_s)
            return np.where(self._reachable, needed_hz, np.inf)
        return common_delay.bandwidth_for_delay(
            self.bits, delay_s, self.gain, noise_psd=self.noise_psd, tx_power_w=self.tx_power_w
        )

    def rate(
        self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]
    ) -> Float[ndarray, " N"]:
        """Return the rate in bit/s of the devices at ``chosen`` with given bandwidths."""
        if self.uplink is not None:
            return self.uplink.rate(chosen, share_hz)
        return shannon.rate(
            share_hz, self.gain[chosen], self.noise_psd, tx_power_w=self.tx_power_w[chosen]
        )

    def equal_share(self, count: Int[ndarray, "*N"] | int) -> Float[ndarray, "*N"] | float:
        """Return the equal share of a number of devices in Hz, in whole blocks if there are any.

        It is at least one block.
        """
        if self.blocks is None:
            return self.bandwidth_hz / count
        return np.maximum(self.blocks.count // count, 1) * self.blocks.block_hz

    def delay(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> float:
        """Return the delay (7) in seconds of the devices at ``chosen`` with given bandwidths."""
        rate_bps = self.rate(chosen, share_hz)
        with np.errstate(divide="ignore"):
            return float((self.bits[chosen] / rate_bps).max(initial=0.0))

    def delay_both_ways(self, chosen: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]) -> float:
        """Return the maximum of uplink plus downlink delay in seconds over devices at ``chosen``.

        A device's share of the downlink is the same fraction as that of the uplink, and the server
        spreads its power evenly over the downlink: ``b log2(1 + P_s |h|^2 / (B_dl N0))``.
        """
        assert self.downlink_bits is not None, "there is a downlink"
        assert self.downlink_bandwidth_hz is not None, "there is a downlink"
        assert self.server_tx_power_w is not None, "there is a downlink"
        gain = self.gain[chosen]
        fraction = share_hz / self.bandwidth_hz
        up_bps = self.rate(chosen, share_hz)
        if self.uplink is None:
            down_bps = shannon.rate(
                fraction * self.downlink_bandwidth_hz,
                gain,
                self.noise_psd,
                tx_power_w=fraction * self.server_tx_power_w,
            )
        else:
            power_psd = self.server_tx_power_w / self.downlink_bandwidth_hz
            down_bps = self.link.rate_at_density(
                fraction * self.downlink_bandwidth_hz, gain, self.noise_psd, power_psd
            )
        delay_s = self.bits[chosen] / up_bps + self.downlink_bits[chosen] / down_bps
        return float(delay_s.max(initial=0.0))

    def min_delay(self, chosen: Int[ndarray, " N"]) -> tuple[float, Float[ndarray, " N"]]:
        """Return the minimum common delay of a set in seconds, and its bandwidths in Hz.

        Infinite if the set cannot be served: a device out of reach, or fewer blocks than devices.
        """
        if self.uplink is not None:
            return self.uplink.min_delay(chosen)
        return common_delay.min_delay(
            self.bits[chosen],
            self.gain[chosen],
            self.bandwidth_hz,
            noise_psd=self.noise_psd,
            tx_power_w=self.tx_power_w[chosen],
        )


_REQUIRED_ARRAYS: Final = ("device", "gain", "bits", "tx_power_w")
_OPTIONAL_ARRAYS: Final = (
    "downlink_bits",
    "battery_j",
    "position_m",
    "distance_m",
    "samples",
    "last_loss",
    "last_gradient_norm",
    "speed_per_s",
    "rounds_since_arrival",
    "power_per_block_w",
)


def _make_read_only(owner: object, names: Iterable[str]) -> None:
    """Replace arrays of a frozen dataclass by read-only views of them."""
    for name in names:
        values = getattr(owner, name)
        if values is not None and values.flags.writeable:
            view = values.view()
            view.flags.writeable = False
            object.__setattr__(owner, name, view)


def _taken(owner: object, names: Iterable[str], positions: Int[ndarray, " m"]) -> dict[str, Any]:
    """Return the entries at some positions of those of an object's arrays that it has."""
    arrays = ((name, getattr(owner, name)) for name in names)
    return {name: values[positions] for name, values in arrays if values is not None}
