"""The paper's online algorithm."""

from dataclasses import field
from functools import cached_property
from typing import Final, Literal, final

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.allocation.prefix_search import Prefixes, rank_by_gain
from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrtZeta, Objective

_AT_ONCE: Final = 16


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Algorithm1(Policy):
    """Algorithm 1 of the paper: add devices in order of gain, stop at the first one that lowers J.

    J is not unimodal over the prefixes, so this can stop too early; ``exact`` does not.
    """

    kind: Literal["algorithm1"] = "algorithm1"
    zeta: AnyZeta = field(default_factory=InverseSqrtZeta)
    """Control parameter zeta(t) of (22)."""
    drift: Drift = "paper"
    """``paper`` drops the squared delay as Lemma 2 does, ``full`` keeps it."""

    @cached_property
    def objective(self) -> Objective:
        """J of (22) with this policy's options."""
        return Objective(zeta=self.zeta, drift=self.drift)

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
