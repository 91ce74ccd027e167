"""All-in policy: every device takes part."""

from typing import Literal, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.prefix_search import Prefixes, rank_by_gain
from netsim.scheduling.round_state import RoundState
from netsim.scheduling.set_search import reachable_by_gain


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AllIn(Policy):
    """All-in policy of section V-A of the paper: every device, without delay constraint.

    All devices end together. A device with a gain of 0 could never deliver; it is left out. In
    resource blocks there are at most as many devices as blocks, strongest first.
    """

    kind: Literal["all_in"] = "all_in"

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if state.uplink is not None:
            return Allocation.equal_finish(state, reachable_by_gain(state))
        order = rank_by_gain(state)
        if not order.size:
            return Allocation.empty()
        return Prefixes(state, order).solve(len(order))
