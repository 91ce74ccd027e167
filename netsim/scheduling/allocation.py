"""Allocation: the scheduled devices of a round and the bandwidth of each."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.scheduling.round_state import RoundState, largest_first


@final
@dataclass(frozen=True)
class Allocation:
    """Scheduling decision of a round: devices, bandwidth of each, predicted delay.

    ``devices`` are device ids, strongest first; ``bandwidth_hz`` belongs to them in this order;
    ``delay_s`` is the predicted delay of the round in seconds.
    """

    devices: Int[ndarray, " N"]
    bandwidth_hz: Float[ndarray, " N"]
    delay_s: float
    objective_bound: float | None = None
    """Certificate, given by ``exact`` alone: no set of devices has a larger J, without unit."""
    iterations: int | None = None
    """Number of evaluations of all devices' demands, if the policy counts them."""

    @staticmethod
    def empty(
        *, objective_bound: float | None = None, iterations: int | None = None
    ) -> "Allocation":
        """Return the allocation of a round without participants."""
        return Allocation(
            np.empty(0, int),
            np.empty(0),
            0.0,
            objective_bound=objective_bound,
            iterations=iterations,
        )

    @staticmethod
    def of(
        state: RoundState,
        chosen: Int[ndarray, " N"],
        bandwidth_hz: Float[ndarray, " N"],
        delay_s: float,
    ) -> "Allocation":
        """Return the allocation of the devices at positions ``chosen`` of a state.

        ``delay_s`` is the delay of the uplink. If the state has a downlink, the predicted delay
        includes it.
        """
        if state.downlink_bits is not None:
            delay_s = state.delay_both_ways(chosen, bandwidth_hz)
        return Allocation(state.device[chosen], bandwidth_hz, delay_s)

    @staticmethod
    def equal_finish(state: RoundState, chosen: Int[ndarray, " N"]) -> "Allocation":
        """Return the allocation of minimum common delay of the devices at positions ``chosen``.

        All devices finish at the same time. The order of ``chosen`` does not matter. Devices out of
        reach, such as those without gain, could never deliver and are left out; in resource blocks
        also the weakest devices beyond the number of blocks.
        """
        chosen = np.sort(chosen[state.reachable()[chosen]])
        chosen = chosen[largest_first(state.gain[chosen])]
        if state.blocks is not None:
            chosen = chosen[: state.blocks.count]
        delay_s, share_hz = state.min_delay(chosen)
        return Allocation.of(state, chosen, bandwidth_hz=share_hz, delay_s=delay_s)

    nobody = empty
    """Former name of ``empty``."""
    fastest = equal_finish
    """Former name of ``equal_finish``."""

    def with_certificate(self, objective_bound: float | None, iterations: int) -> "Allocation":
        """Return the same allocation with the bound of its objective and its iterations."""
        return Allocation(
            self.devices,
            self.bandwidth_hz,
            self.delay_s,
            objective_bound=objective_bound,
            iterations=iterations,
        )
