"""Exact policy: the optimum of problem P1, by branch and bound over the number of devices."""

from dataclasses import field
from typing import Final, Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.heterogeneous_payloads import best_set
from netsim.scheduling.objective import Objective
from netsim.scheduling.prefix_search import Prefixes, rank_by_gain
from netsim.scheduling.round_state import RoundState, largest_first
from netsim.scheduling.set_search import best_of_all, reachable_by_gain

_MAX_SOLVED: Final = 8
"""Maximum number of candidates that are solved at the end; the bound covers the others."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Exact(Policy):
    """Optimum of P1 (22), which the paper calls NP-hard.

    With equal payloads, swapping a scheduled device for one of larger received power never raises
    the common delay, so the best set of N is the N strongest and J is maximised over prefixes. With
    different payloads the best set of N for a delay is the N devices that need least bandwidth at
    it. Ties in J go to the larger N. Under another link model, or in resource blocks, the search of
    ``netsim.scheduling.set_search`` is exact, too.
    """

    kind: Literal["exact"] = "exact"
    objective: Objective = field(default_factory=Objective)
    """Objective J of (22), with its control parameter zeta(t) and its drift."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        if state.uplink is not None:
            return best_of_all(state, reachable_by_gain(state), self.objective)
        reachable = rank_by_gain(state)
        if not reachable.size:
            return Allocation.empty(objective_bound=0.0)
        if (state.bits == state.bits[0]).all():
            return best_prefix(state, _by_received_power(state, reachable), self.objective)
        return best_set(state, reachable, self.objective)


def best_prefix(state: RoundState, order: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the prefix of ``order`` with the maximum J, for equal payloads.

    ``order`` is by falling received power. Bounds of all delays bound the J of every prefix. The
    candidates, whose upper bound reaches the largest lower bound, are narrowed until one is left or
    until they differ by rounding only. Then they are solved.
    """
    prefixes = Prefixes(state, order)
    first, last = 0, len(order)
    while True:
        # Bound: drop every prefix whose upper bound is below the largest lower bound.
        low, high = prefixes.objective_bounds(objective, first, last)
        best_lower = float(low.max())
        candidates = np.flatnonzero(high >= best_lower) + first
        upper_bound = high[candidates - first]
        # Finish if one candidate is left, or if the bounds are as close as rounding allows.
        rounding = 8.0 * last * prefixes.slack
        if candidates.size == 1 or upper_bound.max() - best_lower <= rounding:
            return _best_of(prefixes, candidates, upper_bound, objective=objective)
        first, last = int(candidates[0]), int(candidates[-1])
        # Finish if the candidates are few and small: solve all of them at once.
        if prefixes.solvable_together(candidates):
            prefixes.solve_together(candidates)
            upper_bound = objective.value(candidates, prefixes.bounds_s[0, candidates], state)
            return _best_of(prefixes, candidates, upper_bound, objective=objective)
        loose = ~prefixes.is_tight(candidates)
        if not loose.any():
            return _best_of(prefixes, candidates, upper_bound, objective=objective)
        # Branch: narrow the bounds at the delay that decides between the candidates.
        delay_s = _next_probe_delay(
            prefixes, candidates, upper_bound, loose=loose, objective=objective
        )
        prefixes.refine_at(delay_s, first, last)


def _next_probe_delay(
    prefixes: Prefixes,
    candidates: Int[ndarray, " n"],
    upper_bound: Float[ndarray, " n"],
    *,
    loose: Bool[ndarray, " n"],
    objective: Objective,
) -> float:
    """Return the delay in seconds at which the next refinement separates the candidates.

    The incumbent is the candidate with the largest J at its guessed delay. While its own bounds are
    the wider uncertainty, its guessed delay is refined. Afterwards the challenger is refined, the
    ``loose`` candidate with the largest upper bound, at the delay where it would equal the
    incumbent.
    """
    state = prefixes.state
    guess_s = prefixes.guess_s(candidates)
    values = objective.value(candidates, guess_s, state)
    incumbent = int(values.argmax())
    value = float(values[incumbent])
    latest_s = prefixes.bounds_s[1, candidates[incumbent]]
    lowest = float(objective.value(candidates[incumbent], latest_s, state))
    if loose[incumbent] and value - lowest >= upper_bound.max() - value:
        return float(guess_s[incumbent])
    challenger = int(candidates[np.where(loose, upper_bound, -np.inf).argmax()])
    lower_s, upper_s = prefixes.bounds_s[:, challenger].tolist()
    return min(max(objective.delay_s(challenger, value, state), lower_s), upper_s)


def _best_of(
    prefixes: Prefixes,
    candidates: Int[ndarray, " n"],
    upper_bound: Float[ndarray, " n"],
    *,
    objective: Objective,
) -> Allocation:
    """Return the best candidate; its certificate is the maximum of its J and the open bounds."""
    best, allocation = -np.inf, Allocation.empty()
    bound = -np.inf
    ranked = np.lexsort((-candidates, -upper_bound)) if len(candidates) > 1 else (0,)
    for solved, index in enumerate(ranked):
        if upper_bound[index] < best or solved == _MAX_SOLVED:
            bound = float(upper_bound[index])
            break
        count = int(candidates[index])
        candidate = prefixes.solve(count)
        # P1 is about the delay of the uplink; the predicted delay may include a downlink.
        value = float(objective.value(count, prefixes.bounds_s[0, count], prefixes.state))
        if value > best or (value == best and count > len(allocation.devices)):
            best, allocation = value, candidate
    return allocation.with_certificate(max(best, bound), prefixes.iterations)


def _by_received_power(state: RoundState, rank_by_gain: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Return positions in order of gain in order of received power; ties keep their order."""
    if (state.tx_power_w == state.tx_power_w[0]).all():
        return rank_by_gain
    return rank_by_gain[largest_first((state.tx_power_w * state.gain)[rank_by_gain])]
