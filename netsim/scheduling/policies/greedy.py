"""Greedy strategy (GS): the bandwidth that just meets the budget, strongest device first."""

from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.round_state import RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Greedy(Policy):
    """Greedy strategy (GS), equation (29).

    Each device gets the bandwidth with which it just meets the budget. Devices are added in order
    of gain while their bandwidths fit into the band. The rest of the band stays unused, as in the
    paper.
    """

    kind: Literal["greedy"] = "greedy"

    @override
    def schedule(self, state: RoundState) -> Allocation:
        strongest = state.rank_by_gain()
        needed_hz = state.bandwidth_for(state.delay_budget_s)[strongest]
        count = int(np.searchsorted(np.cumsum(needed_hz), state.bandwidth_hz, side="right"))
        if count == 0:
            return Allocation.empty()
        chosen, share_hz = strongest[:count], needed_hz[:count]
        # A whole number of blocks may be more than the budget needs.
        delay_s = state.delay_budget_s if state.blocks is None else state.delay(chosen, share_hz)
        return Allocation.of(state, chosen, bandwidth_hz=share_hz, delay_s=delay_s)
