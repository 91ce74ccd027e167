"""Least common delays of the sets of the N strongest devices."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim import phy
from netsim.scheduling.base import Allocation, RoundState


@final
@dataclass(frozen=True)
class Solved:
    """Some of the prefixes with the least common delay of each, in seconds, and the bandwidths in Hz."""

    prefixes: "Prefixes"
    counts: Int[ndarray, " sets"]
    delay_s: Float[ndarray, " sets"]
    bandwidth_hz: Float[ndarray, "sets most"]

    def allocation(self, index: int) -> Allocation:
        """Return the allocation to the devices of the prefix at ``index``."""
        count = int(self.counts[index])
        chosen = self.prefixes.order[:count]
        share_hz = self.bandwidth_hz[index, :count]
        return Allocation.of(self.prefixes.state, chosen, share_hz, float(self.delay_s[index]))


@final
@dataclass(frozen=True)
class Prefixes:
    """The sets of the first 1, 2, ... devices of an order.

    ``order`` holds positions in the state. A device without gain could never deliver and must not be in it.
    """

    state: RoundState
    order: Int[ndarray, " n"]

    @cached_property
    def bits(self) -> Float[ndarray, " n"]:
        """Payload of each device in order, in bit."""
        return self.state.bits[self.order]

    @cached_property
    def floor_s(self) -> Float[ndarray, " n"]:
        """Capacity floor of each device in order, in seconds."""
        return self.state.floor()[self.order]

    def solve(self, counts: Int[ndarray, " sets"]) -> Solved:
        """Return the prefixes with so many devices (at least one each), solved together."""
        most = int(counts.max())
        bits = np.where(np.arange(most) < counts[:, None], self.bits[:most], 0.0)
        floor_s = np.broadcast_to(self.floor_s[:most], bits.shape)
        return Solved(self, counts, *phy.min_delays(bits, floor_s, self.state.bandwidth_hz))


def reachable_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices with a positive gain, strongest first."""
    order = state.by_gain()
    return order[: np.count_nonzero(state.gain > 0)]
