"""Everybody takes part."""

from typing import Literal, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState
from netsim.scheduling.prefixes import Prefixes, reachable_by_gain


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AllIn(Policy):
    """All-in without delay constraint, section V-A of the paper: every device, all ending together.

    A device with a gain of 0 could never deliver; it is left out.
    """

    kind: Literal["all_in"] = "all_in"

    @override
    def schedule(self, state: RoundState) -> Allocation:
        order = reachable_by_gain(state)
        if not order.size:
            return Allocation.nobody()
        return Prefixes(state, order).solve(len(order))
