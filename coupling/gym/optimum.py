"""Optimum of P1 in the state that an action answers, and the gap of an allocation to it."""

from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from netsim.scheduling import Allocation, Objective, Policy, RoundState, create


@final
@dataclass(frozen=True)
class Optimum:
    """Allocation with the maximum J of a state, and its J at the delay of the uplink."""

    allocation: Allocation
    objective: float

    @property
    def scheduled(self) -> int:
        """Number of devices."""
        return len(self.allocation.devices)

    def is_set(self, state: RoundState, chosen: Bool[ndarray, " n"]) -> bool:
        """Return whether the chosen devices of a state are those of the optimum."""
        if np.count_nonzero(chosen) != self.scheduled:
            return False
        return bool(chosen[np.searchsorted(state.device, self.allocation.devices)].all())


def optimum(state: RoundState, objective: Objective) -> Optimum:
    """Return the optimum of P1 for a state, as the policy ``exact`` finds it."""
    if not len(state.device):
        return Optimum(Allocation.empty(), 0.0)
    best = _exact(objective).schedule(state)
    return Optimum(best, predicted_objective(best, state, objective))


@cache
def _exact(objective: Objective) -> Policy:
    return create("exact", objective=objective)


def predicted_objective(allocation: Allocation, state: RoundState, objective: Objective) -> float:
    """Return J of an allocation at the uplink delay that the state predicts for it.

    P1 is about the uplink; the predicted delay of an allocation may include a downlink.
    """
    delay_s = allocation.delay_s
    if state.downlink_bits is not None:
        position = np.searchsorted(state.device, allocation.devices)
        delay_s = state.delay(position, allocation.bandwidth_hz)
    return float(objective.value(len(allocation.devices), delay_s, state))
