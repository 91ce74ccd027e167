"""Latency-first policy: the fastest set of a given number of devices."""

from typing import Literal, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Count
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.heterogeneous_payloads import fastest_set
from netsim.scheduling.prefix_search import rank_by_gain
from netsim.scheduling.round_state import RoundState
from netsim.scheduling.set_search import fastest_allocation


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LatencyFirst(Policy):
    """Latency-first scheduling: the ``count`` devices of minimum common delay, for any budget.

    In the spirit of FedCS: Nishio and Yonetani, "Client selection for federated learning with
    heterogeneous resources in mobile edge", IEEE ICC 2019. This policy has a number of devices
    instead of a deadline, and it is exact where FedCS is greedy.
    """

    kind: Literal["latency_first"] = "latency_first"
    count: Count
    """Number of devices per round; all devices with a gain if there are fewer."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if state.uplink is not None:
            return fastest_allocation(state, self.count)
        reachable = rank_by_gain(state)
        if not reachable.size:
            return Allocation.empty()
        return fastest_set(state, reachable, min(self.count, len(reachable)))[0]
