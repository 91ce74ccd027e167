"""Adaptive average bandwidth allocation (AABA): equal shares that meet the delay budget."""

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
    """Adaptive average bandwidth allocation (AABA), equation (28).

    The maximum number of devices that all meet the budget on equal shares, strongest first. The
    ``N k`` printed in (28) is read as N. In resource blocks an equal share is rounded down to whole
    ones.
    """

    kind: Literal["aaba"] = "aaba"

    @override
    def schedule(self, state: RoundState) -> Allocation:
        strongest = state.rank_by_gain()
        # N devices fit if the largest bandwidth that one of them needs is at most B / N.
        needed_hz = np.maximum.accumulate(state.bandwidth_for(state.delay_budget_s)[strongest])
        counts = np.arange(1, len(strongest) + 1)
        fits = needed_hz * counts <= state.bandwidth_hz
        if state.blocks is not None:
            fits &= needed_hz <= state.equal_share(counts)
        fitting = np.flatnonzero(fits)
        if not fitting.size:
            return Allocation.empty()
        chosen = strongest[: fitting[-1] + 1]
        share_hz = np.full(len(chosen), state.equal_share(len(chosen)))
        delay_s = state.delay(chosen, share_hz)
        return Allocation.of(state, chosen, bandwidth_hz=share_hz, delay_s=delay_s)
