"""The optimum of problem P1."""

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

_TRIES: Final = 8


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Exact(Policy):
    """The optimum of P1 (22), which the paper calls NP-hard.

    With equal payloads, swapping a scheduled device for one of larger received power never raises
    the common delay, so the best set of N is the N strongest and J is maximised over prefixes. With
    different payloads the best set of N for a delay is the N devices that need least bandwidth at
    it. Ties in J go to the larger N.
    """

    kind: Literal["exact"] = "exact"
    objective: Objective = field(default_factory=Objective)
    """Objective J of (22), with its control parameter zeta(t) and its drift."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        reachable = rank_by_gain(state)
        if not reachable.size:
            return Allocation.empty(objective_bound=0.0)
        if (state.bits == state.bits[0]).all():
            return best_prefix(state, _by_received_power(state, reachable), self.objective)
        return best_set(state, reachable, self.objective)


def best_prefix(state: RoundState, order: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the prefix of ``order`` (equal payloads, falling received power) with the largest J.

    Bounds of all delays bound every prefix's J. Those that could still be the best are narrowed
    until one is left, or until they differ by rounding only; then they are solved.
    """
    prefixes = Prefixes(state, order)
    first, last = 0, len(order)
    while True:
        low, high = prefixes.objective_bounds(objective, first, last)
        certain = float(low.max())
        open_counts = np.flatnonzero(high >= certain) + first
        promise = high[open_counts - first]
        rounding = 8.0 * last * prefixes.slack
        if open_counts.size == 1 or promise.max() - certain <= rounding:
            return _best_of(prefixes, open_counts, promise, objective)
        first, last = int(open_counts[0]), int(open_counts[-1])
        if prefixes.few(open_counts):
            prefixes.settle(open_counts)
            promise = objective.value(open_counts, prefixes.bounds_s[0, open_counts], state)
            return _best_of(prefixes, open_counts, promise, objective)
        unknown = ~prefixes.known(open_counts)
        if not unknown.any():
            return _best_of(prefixes, open_counts, promise, objective)
        prefixes.probe(
            _next_probe_delay(prefixes, open_counts, promise, unknown, objective), first, last
        )


def _next_probe_delay(
    prefixes: Prefixes,
    counts: Int[ndarray, " n"],
    promise: Float[ndarray, " n"],
    unknown: Bool[ndarray, " n"],
    objective: Objective,
) -> float:
    """Return a delay in seconds: where the prefix that is probably the best is, or must be to be
    beaten.

    ``counts`` are those that can still be the best, ``promise`` the upper bounds of their J. Once
    the probable one is known well enough, the one of the ``unknown`` that promises most is looked
    at where it would be no better.
    """
    state = prefixes.state
    guess_s = prefixes.guess_s(counts)
    values = objective.value(counts, guess_s, state)
    likely = int(values.argmax())
    value = float(values[likely])
    least = float(objective.value(counts[likely], prefixes.bounds_s[1, counts[likely]], state))
    if unknown[likely] and value - least >= promise.max() - value:
        return float(guess_s[likely])
    hopeful = int(counts[np.where(unknown, promise, -np.inf).argmax()])
    lower_s, upper_s = prefixes.bounds_s[:, hopeful].tolist()
    return min(max(objective.delay_s(hopeful, value, state), lower_s), upper_s)


def _best_of(
    prefixes: Prefixes,
    counts: Int[ndarray, " n"],
    promise: Float[ndarray, " n"],
    objective: Objective,
) -> Allocation:
    """Return the best of the prefixes that can still be the best; what they promise bounds J from
    above.
    """
    best, bound, allocation = -np.inf, -np.inf, Allocation.empty()
    ranked = np.lexsort((-counts, -promise)) if len(counts) > 1 else (0,)
    for tried, index in enumerate(ranked):
        if promise[index] < best or tried == _TRIES:
            bound = float(promise[index])
            break
        count = int(counts[index])
        candidate = prefixes.solve(count)
        # The delay of the uplink, which P1 is about; what is predicted has that of a downlink in it
        # too.
        value = float(objective.value(count, prefixes.bounds_s[0, count], prefixes.state))
        if value > best or (value == best and count > len(allocation.devices)):
            best, allocation = value, candidate
    return allocation.with_certificate(max(best, bound), prefixes.iterations)


def _by_received_power(state: RoundState, rank_by_gain: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Return positions that are in order of gain in order of received power; ties keep their
    order.
    """
    if (state.tx_power_w == state.tx_power_w[0]).all():
        return rank_by_gain
    return rank_by_gain[largest_first((state.tx_power_w * state.gain)[rank_by_gain])]
