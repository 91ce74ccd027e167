"""Round-robin scheduling: the devices take turns."""

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
    """Round robin: the devices that have waited longest since their last round, lowest id first.

    The band is divided for the minimum common delay.

    Yang, Liu, Quek and Poor, "Scheduling policies for federated learning in wireless networks",
    IEEE Trans. Commun. 68(1), 2020, section II-C. A device without gain is left out in its
    turn, and stays first in line.
    """

    kind: Literal["round_robin"] = "round_robin"
    count: Count
    """Number of devices per round; all offered devices if there are fewer."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        history = state.require_history()
        # Among devices last scheduled together, those from the end of the circle had fewer rounds.
        waiting = np.lexsort((state.device, history.times_scheduled, history.last_round))
        return Allocation.equal_finish(state, waiting[: self.count])
