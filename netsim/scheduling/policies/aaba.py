"""Equal bandwidth for as many as meet the budget."""

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
class Aaba(Policy):
    """Adaptive average bandwidth allocation, equation (28): the most devices that all meet the
    budget on equal shares, strongest first. The ``N k`` printed in (28) is read as N.
    """

    kind: Literal["aaba"] = "aaba"

    @override
    def schedule(self, state: RoundState) -> Allocation:
        strongest = state.rank_by_gain()
        # N devices fit if each one's bandwidth for the budget is at most B / N: compare the largest
        # of each prefix.
        needed_hz = np.maximum.accumulate(state.bandwidth_for(state.delay_budget_s)[strongest])
        counts = np.arange(1, len(strongest) + 1)
        fitting = np.flatnonzero(needed_hz * counts <= state.bandwidth_hz)
        if not fitting.size:
            return Allocation.empty()
        chosen = strongest[: fitting[-1] + 1]
        share_hz = np.full(len(chosen), state.bandwidth_hz / len(chosen))
        return Allocation.of(state, chosen, share_hz, state.delay(chosen, share_hz))
