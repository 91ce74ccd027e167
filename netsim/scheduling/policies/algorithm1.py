"""Algorithm 1 of the paper: the online algorithm for problem P1."""

from dataclasses import field
from typing import Final, Literal, final

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.objective import Objective
from netsim.scheduling.prefix_search import Prefixes, rank_by_gain
from netsim.scheduling.round_state import RoundState
from netsim.scheduling.set_search import first_peak, reachable_by_gain

_CHUNK: Final = 16
"""Number of prefixes whose bounds are compared at a time."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Algorithm1(Policy):
    """Algorithm 1 of the paper: add devices in order of gain, stop at the first one that lowers J.

    J is not unimodal over the prefixes, so this can stop too early; ``exact`` does not.
    """

    kind: Literal["algorithm1"] = "algorithm1"
    objective: Objective = field(default_factory=Objective)
    """Objective J of (22), with its control parameter zeta(t) and its drift."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if state.uplink is not None:
            return first_peak(state, reachable_by_gain(state), self.objective)
        order = rank_by_gain(state)
        if not order.size:
            return Allocation.empty()
        prefixes = Prefixes(state, order)
        count = _first_peak(prefixes, self.objective)
        allocation = prefixes.solve(count)
        return allocation.with_certificate(None, prefixes.iterations)


def _first_peak(prefixes: Prefixes, objective: Objective) -> int:
    """Return the number of devices before the first one that lowers J."""
    device_count = len(prefixes.order)
    for first in range(0, device_count, _CHUNK):
        last = min(first + _CHUNK, device_count)
        while True:
            # First prefix that certainly lowers J: its upper bound is below the lower bound before.
            low, high = prefixes.objective_bounds(objective, first, last)
            certain = np.flatnonzero(high[1:] < low[:-1])
            end = int(certain[0]) if certain.size else last - first
            # Prefixes before it whose bounds overlap: narrow them until none is left.
            doubtful = np.flatnonzero(low[1 : end + 1] < high[:end]) + first
            if not doubtful.size:
                break
            counts = np.arange(doubtful[0], doubtful[-1] + 2)
            _refine(prefixes, counts, first=first, last=last)
        if certain.size:
            return first + end
    return device_count


def _refine(prefixes: Prefixes, counts: Int[ndarray, " m"], *, first: int, last: int) -> None:
    """Narrow the bounds of the prefixes ``counts``, which lie between ``first`` and ``last``."""
    loose = counts[~prefixes.is_tight(counts)]
    if not loose.size:
        for count in counts.tolist():
            prefixes.solve(count)
    elif prefixes.solvable_together(loose):
        prefixes.solve_together(loose)
    else:
        prefixes.refine_at(float(prefixes.guess_s(loose[len(loose) // 2])), first, last)
