"""The paper's online algorithm."""

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

_AT_ONCE: Final = 16


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
        order = rank_by_gain(state)
        if not order.size:
            return Allocation.empty()
        prefixes = Prefixes(state, order)
        count = _peak(prefixes, self.objective)
        allocation = prefixes.solve(count)
        return allocation.with_certificate(None, prefixes.iterations)


def _peak(prefixes: Prefixes, objective: Objective) -> int:
    """Return how many devices are taken before the first one that lowers J."""
    most = len(prefixes.order)
    for first in range(0, most, _AT_ONCE):
        last = min(first + _AT_ONCE, most)
        while True:
            low, high = prefixes.objective_bounds(objective, first, last)
            certain = np.flatnonzero(high[1:] < low[:-1])
            end = int(certain[0]) if certain.size else last - first
            doubtful = np.flatnonzero(low[1 : end + 1] < high[:end]) + first
            if not doubtful.size:
                break
            _refine(prefixes, np.arange(doubtful[0], doubtful[-1] + 2), first, last)
        if certain.size:
            return first + end
    return most


def _refine(prefixes: Prefixes, counts: Int[ndarray, " some"], first: int, last: int) -> None:
    """Narrow the bounds of some of the prefixes of ``first`` to ``last`` devices."""
    unknown = counts[~prefixes.known(counts)]
    if not unknown.size:
        for count in counts.tolist():
            prefixes.solve(count)
    elif prefixes.few(unknown):
        prefixes.settle(unknown)
    else:
        prefixes.probe(float(prefixes.guess_s(unknown[len(unknown) // 2])), first, last)
