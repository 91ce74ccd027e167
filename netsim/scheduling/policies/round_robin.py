"""Devices in turn."""

from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Count
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.round_state import RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class RoundRobin(Policy):
    """Round robin: those who have waited longest since they last took part, lowest numbers first.

    The band is divided for the least common delay.

    Yang, Liu, Quek and Poor, "Scheduling policies for federated learning in wireless networks",
    IEEE Trans. Commun. 68(1), 2020, section II-C. A device whose turn comes without gain is left
    out, and stays first in line.
    """

    kind: Literal["round_robin"] = "round_robin"
    count: Count
    """Number of devices a round; all that are offered where those are fewer."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        history = state.require_history()
        # Of those last served together, the ones from the end of the circle have been served less
        # often.
        waiting = np.lexsort((state.device, history.times_scheduled, history.last_round))
        return Allocation.equal_finish(state, waiting[: self.count])
