"""Static oracle policy: the best constant number of devices, fitted to all rounds beforehand."""

from collections.abc import Iterable
from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.heterogeneous_payloads import fastest_set
from netsim.scheduling.prefix_search import rank_by_gain
from netsim.scheduling.round_state import RoundState
from netsim.scheduling.set_search import fastest_allocation


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class OracleStatic(Policy):
    """Static oracle: the fastest set of a constant number of devices.

    The number is the maximum one whose mean delay keeps the budget (8). ``fit`` finds it from the
    gains of all rounds beforehand, hence an oracle.

    Source: the stationary policies that drift-plus-penalty methods are measured against (Neely,
    "Stochastic network optimization with application to communication and queueing systems", 2010,
    section 4.1), restricted to one N.
    """

    kind: Literal["oracle_static"] = "oracle_static"
    count: Annotated[int, Field(ge=0, le=2**53, strict=True)] | None = None
    """Number of devices per round; all devices with a gain if there are fewer. By default the best
    number for the budget, fitted before the first round; this requires gains that do not depend on
    the duration of rounds.
    """

    @override
    def unfitted(self) -> tuple[str, ...]:
        return ("count",) if self.count is None else ()

    @override
    def fit(self, rounds: Iterable[RoundState]) -> "OracleStatic":
        """Return the policy with the maximum number of devices whose mean delay keeps the budget.

        The mean is over ``rounds``. Only gains, payloads, powers and budgets of the states matter,
        so that the rounds of any policy in the same world serve. A round with fewer reachable
        devices counts with the delay of all of these. A policy with a ``count`` stays as it is.
        """
        if self.count is not None:
            return self
        states = list(rounds)
        budget_s = np.mean([state.delay_budget_s for state in states])
        low, high = 0, max((len(state.gain) for state in states), default=0)
        # Bisection: one more device never shortens the delay of a round.
        while low < high:
            middle = (low + high + 1) // 2
            policy = OracleStatic(count=middle)
            keeps = np.mean([policy.schedule(state).delay_s for state in states]) <= budget_s
            low, high = (middle, high) if keeps else (low, middle - 1)
        return OracleStatic(count=low)

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if self.count is None:
            raise ValueError(
                "oracle_static needs a count; give one, or call OracleStatic().fit(rounds)"
            )
        if state.uplink is not None:
            return fastest_allocation(state, self.count)
        reachable = rank_by_gain(state)
        count = min(self.count, len(reachable))
        return fastest_set(state, reachable, count)[0] if count else Allocation.empty()
