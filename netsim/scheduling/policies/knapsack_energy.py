"""Drift-plus-penalty policy with a delay budget and an energy budget per device."""

from dataclasses import field, replace
from typing import Annotated, Final, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Positive, source
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.objective import Objective
from netsim.scheduling.prefix_search import Prefixes, rank_by_gain
from netsim.scheduling.round_state import RoundState
from netsim.scheduling.set_search import reachable_by_gain, servable_count

_CANDIDATES: Final = 16
"""Maximum number of delays at which the knapsack is filled."""
_ROUNDING: Final = 1e-9


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class KnapsackEnergy(Policy):
    """Drift plus penalty with a virtual queue for the mean delay and one per device for its energy.

    Aims at a large ``J - zeta(t) * sum over the scheduled of (H_k / E) (P_k D / E)``, J as in (22),
    E the energy budget. The virtual queue ``H_k = max(0, (t - 1) (mean energy of k so far - E))``
    is the energy in joules that device k has overspent.

    At a common delay D each device is worth ``1 - zeta H_k P_k D / E^2`` and needs ``B_k(D)`` of
    the band. This is a knapsack problem; the policy fills the band by worth per hertz. It does so
    at the delays of some prefixes by gain, and gives the best set its minimum common delay. It is a
    heuristic: neither the knapsack nor the delay is optimal. Under power control ``P_k`` is the
    maximum power.

    After OCEAN: Xu and Wang, "Client selection and bandwidth allocation in wireless federated
    learning networks: a long-term perspective", IEEE Trans. Wireless Commun. 20(2), 2021, which has
    energy queues and a fixed deadline.
    """

    kind: Literal["knapsack_energy"] = "knapsack_energy"
    energy_budget_j: Annotated[Positive, source("cited, Xu and Wang 2021")]
    """Mean energy per round that each device may spend on transmission, in joules."""
    objective: Objective = field(default_factory=Objective)
    """Objective J of (22), with zeta(t), which also weighs the energy queues, and its drift."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        reachable = rank_by_gain(state) if state.uplink is None else reachable_by_gain(state)
        price = self._price(state)
        # P1 is about the delay of the uplink; the predicted delay may include a downlink.
        uplink = state if state.downlink_bits is None else replace(state, downlink_bits=None)
        best, set_of_best = 0.0, None
        for delay_s in _candidate_delays(state, reachable):
            worth = 1.0 - price * delay_s
            chosen = _fill(state, reachable, delay_s, worth=worth)
            if not chosen.size:
                continue
            candidate = Allocation.equal_finish(uplink, chosen)
            drift = float(price[chosen].sum()) * candidate.delay_s
            value = float(self.objective.value(len(chosen), candidate.delay_s, state)) - drift
            if value > best:
                best, set_of_best = value, chosen
        if set_of_best is None:
            return Allocation.empty()
        return Allocation.equal_finish(state, set_of_best)

    def _price(self, state: RoundState) -> Float[ndarray, " n"]:
        """Return the price of air time of each device, in units of J per second."""
        spent_j = state.require_history().mean_energy_j
        if spent_j is None:
            raise ValueError("this policy needs RoundState.history.mean_energy_j")
        overspent_j = np.maximum(0.0, (state.round - 1) * (spent_j - self.energy_budget_j))
        return (
            self.objective.zeta.at(state.round)
            * overspent_j
            * state.tx_power_w
            / self.energy_budget_j**2
        )


def _candidate_delays(state: RoundState, reachable: Int[ndarray, " n"]) -> list[float]:
    """Return the minimum common delays (s) of up to 16 prefixes, sizes in geometric steps."""
    if not reachable.size:
        return []
    largest = servable_count(state, reachable)
    counts = np.unique(np.geomspace(1, largest, min(_CANDIDATES, largest)).round().astype(int))
    if state.uplink is not None:
        return [state.min_delay(reachable[:count])[0] for count in counts.tolist()]
    prefixes = Prefixes(state, reachable)
    return [prefixes.solve(int(count)).delay_s for count in counts]


def _fill(
    state: RoundState, reachable: Int[ndarray, " n"], delay_s: float, *, worth: Float[ndarray, " n"]
) -> Int[ndarray, " N"]:
    """Return the positions that fit into the band at a delay, by worth per hertz if positive."""
    needed_hz = state.bandwidth_for(delay_s)
    eligible = reachable[(worth[reachable] > 0) & np.isfinite(needed_hz[reachable])]
    ranked = eligible[np.argsort(-worth[eligible] / needed_hz[eligible], kind="stable")]
    # The limit exceeds the band by rounding: the prefix of this delay keeps its last device.
    limit_hz = state.bandwidth_hz * (1.0 + _ROUNDING)
    return ranked[: int(np.searchsorted(needed_hz[ranked].cumsum(), limit_hz, side="right"))]
