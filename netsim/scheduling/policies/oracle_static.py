"""The best number of devices that never changes."""

from collections.abc import Iterable
from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.allocation.heterogeneous_payloads import fastest_set
from netsim.allocation.prefix_search import rank_by_gain
from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class OracleStatic(Policy):
    """The same number of devices in every round, the fastest set of them: the largest number whose
    mean delay keeps the budget (8). Finding it takes the gains of all rounds beforehand
    (``fitted``), hence an oracle.

    Source: the stationary policies that drift-plus-penalty methods are measured against (Neely,
    "Stochastic network optimization with application to communication and queueing systems", 2010,
    section 4.1), restricted to one N.
    """

    kind: Literal["oracle_static"] = "oracle_static"
    count: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Number of devices a round; all that have a gain where those are fewer. By default the best
    one for the budget, found before the first round; that takes a world that does not depend on how
    long rounds last.
    """

    @staticmethod
    def fitted(states: Iterable[RoundState]) -> "OracleStatic":
        """Return the policy with the most devices whose mean delay over some rounds keeps their
        budget.

        Only gains, payloads, powers and budgets of the states matter, so any policy's rounds in the
        same world do. A round with fewer reachable devices counts with the delay of all of these.
        """
        ahead = list(states)
        budget_s = np.mean([state.delay_budget_s for state in ahead])
        low, high = 0, max((len(state.gain) for state in ahead), default=0)
        while low < high:
            # One more device never ends sooner, in no round.
            policy = OracleStatic(count=(low + high + 1) // 2)
            keeps = np.mean([policy.schedule(state).delay_s for state in ahead]) <= budget_s
            low, high = ((low + high + 1) // 2, high) if keeps else (low, (low + high - 1) // 2)
        return OracleStatic(count=low)

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if self.count is None:
            raise ValueError(
                "oracle_static needs a count; a run finds one, and so does OracleStatic.fitted"
            )
        reachable = rank_by_gain(state)
        count = min(self.count, len(reachable))
        return fastest_set(state, reachable, count)[0] if count else Allocation.empty()
