"""The paper's online algorithm."""

from dataclasses import field
from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrt, Objective
from netsim.scheduling.prefixes import Prefixes, reachable_by_gain

_AT_ONCE = 16


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Algorithm1(Policy):
    """Algorithm 1 of the paper: add devices in order of gain, stop at the first one that lowers J.

    J is not unimodal over the prefixes, so this can stop too early; ``exact`` does not.
    """

    kind: Literal["algorithm1"] = "algorithm1"
    zeta: AnyZeta = field(default_factory=InverseSqrt)
    """Control parameter zeta(t) of (22)."""
    drift: Drift = "paper"
    """``paper`` drops the squared delay as Lemma 2 does, ``full`` keeps it."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        order = reachable_by_gain(state)
        prefixes = Prefixes(state, order)
        objective = Objective(zeta=self.zeta, drift=self.drift)
        before, allocation = 0.0, Allocation.nobody()
        for first in range(1, len(order) + 1, _AT_ONCE):
            solved = prefixes.solve(np.arange(first, min(first + _AT_ONCE, len(order) + 1)))
            values = objective.value(solved.counts, solved.delay_s, state)
            worse = np.flatnonzero(values < np.concatenate([[before], values[:-1]]))
            last = int(worse[0]) if worse.size else len(values)
            if last > 0:
                before, allocation = float(values[last - 1]), solved.allocation(last - 1)
            if worse.size:
                break
        return allocation
