"""The best number of devices that never changes."""

from collections.abc import Iterable
from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState
from netsim.scheduling.prefixes import reachable_by_gain
from netsim.scheduling.unequal import fastest_set


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class OracleStatic(Policy):
    """The same number of devices in every round, the fastest set of them: the largest number whose mean delay keeps
    the budget (8). Finding it takes the gains of all rounds beforehand (``fitted``), hence an oracle.

    A stationary policy of the kind that drift-plus-penalty methods are measured against: Neely, "Stochastic network
    optimization with application to communication and queueing systems", 2010, section 4.1; restricted to one N.
    """

    kind: Literal["oracle_static"] = "oracle_static"
    count: Annotated[int, Field(ge=0, strict=True)]
    """Number of devices a round; all that have a gain where those are fewer."""

    @staticmethod
    def fitted(states: Iterable[RoundState]) -> "OracleStatic":
        """Return the policy with the most devices whose mean delay over some rounds keeps their budget.

        Only gains, payloads, powers and budgets of the states matter, so any policy's rounds in the same world do.
        A round with fewer reachable devices counts with the delay of all of these.
        """
        delays, budgets, states = [], [], list(states)
        most = max((len(state.gain) for state in states), default=0)
        for state in states:
            reachable = reachable_by_gain(state)
            counts = np.minimum(np.arange(1, most + 1), len(reachable))
            delays.append(
                [fastest_set(state, reachable, count)[0].delay_s if count else 0.0 for count in counts]
            )
            budgets.append(state.delay_budget_s)
        keeping = np.flatnonzero(np.mean(delays, axis=0) <= np.mean(budgets))
        return OracleStatic(count=int(keeping[-1]) + 1 if keeping.size else 0)

    @override
    def schedule(self, state: RoundState) -> Allocation:
        reachable = reachable_by_gain(state)
        count = min(self.count, len(reachable))
        return fastest_set(state, reachable, count)[0] if count else Allocation.nobody()
