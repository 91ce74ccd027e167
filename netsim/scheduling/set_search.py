"""Best device sets under a link model with limits, or in whole resource blocks.

Two facts about the bandwidth ``B_k(D)`` that device k needs for a delay D carry everything: it
never rises in D, and it is infinite where no bandwidth suffices. So a set can end by D if and only
if its demands at D fit into the band; the best N devices for D are those with the N smallest
demands, whatever their payloads; and the delay of the fastest N never falls with N. Neither
concavity nor a closed form is needed, so the search serves truncated Shannon and any staircase in
whole blocks alike. (``Prefixes`` and ``heterogeneous_payloads`` rest on Shannon's curvature.)
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.scheduling.allocation import Allocation
from netsim.scheduling.objective import Objective
from netsim.scheduling.round_state import RoundState, largest_first

_ROUNDING: Final = 1e-12
"""Relative difference of delays or bandwidths that counts as rounding."""


def reachable_by_gain(state: RoundState) -> Int[ndarray, " n"]:
    """Return the positions of the devices that can send, strongest gain first."""
    positions = np.flatnonzero(state.reachable())
    return positions[largest_first(state.gain[positions])]


def servable_count(state: RoundState, reachable: Int[ndarray, " n"]) -> int:
    """Return the maximum number of devices that can share the band."""
    return len(reachable) if state.blocks is None else min(len(reachable), state.blocks.count)


def fastest_of(
    state: RoundState, reachable: Int[ndarray, " n"], count: int
) -> tuple[Int[ndarray, " N"], Float[ndarray, " N"], float]:
    """Return the positions of the ``count`` devices of minimum common delay, shares and delay.

    The iteration starts from any set and looks just below its delay: if the smallest demands there
    fit into the band, they belong to a faster set; otherwise no set is faster.
    """
    chosen = np.sort(reachable[np.argsort(state.floor()[reachable], kind="stable")[:count]])
    delay_s, share_hz = state.min_delay(chosen)
    while True:
        demand_hz = state.bandwidth_for(delay_s * (1.0 - _ROUNDING))[reachable]
        cheapest = np.argsort(demand_hz, kind="stable")[:count]
        if not demand_hz[cheapest].sum() <= state.bandwidth_hz:
            return chosen, share_hz, delay_s
        candidate = np.sort(reachable[cheapest])
        faster_s, faster_hz = state.min_delay(candidate)
        if not faster_s < delay_s:
            return chosen, share_hz, delay_s
        chosen, share_hz, delay_s = candidate, faster_hz, faster_s


def best_of_all(
    state: RoundState, reachable: Int[ndarray, " n"], objective: Objective
) -> Allocation:
    """Return the set with the maximum J; ties in J go to the larger set.

    ``lower_s[N - 1]`` is a lower bound of the delay of any N devices. The N whose bound promises
    the largest J is the challenger. At the delay at which it would only equal the best J so far,
    its smallest demands either exceed the band, so it is worse; or fit, so that it is solved and
    becomes the best. One probe raises the bounds of every N whose demands exceed the band.
    """
    size = servable_count(state, reachable)
    if not size:
        return Allocation.empty(objective_bound=0.0)
    counts = np.arange(1, size + 1)
    lower_s = np.sort(state.floor()[reachable])[:size]
    unsolved = np.ones(size, bool)
    best, allocation, probes = 0.0, Allocation.empty(), 0
    while True:
        bound = np.where(unsolved, objective.value(counts, lower_s, state), -np.inf)
        count = size - int(bound[::-1].argmax())
        if bound[count - 1] < best:
            return allocation.with_certificate(best, probes)
        # Probe: the delay at which the challenger has the best J so far.
        probe_s = objective.delay_s(count, best, state) * (1.0 + _ROUNDING)
        if not probe_s:
            unsolved[count - 1] = False
            continue
        if np.isfinite(probe_s):
            probes += 1
            demand_hz = np.sort(state.bandwidth_for(probe_s)[reachable])[:size].cumsum()
            missed = ~(demand_hz <= _limit_hz(state))
            np.maximum(lower_s, probe_s, out=lower_s, where=missed)
            if missed[count - 1]:
                unsolved[count - 1] = False
                continue
        # The challenger may be better: solve it.
        chosen, share_hz, delay_s = fastest_of(state, reachable, count)
        unsolved[count - 1] = False
        lower_s[count:] = np.maximum(lower_s[count:], delay_s * (1.0 - _ROUNDING))
        # P1 is about the delay of the uplink; the predicted delay may include a downlink.
        value = float(objective.value(count, delay_s, state))
        if value > best or (value == best and count > len(allocation.devices)):
            best = value
            allocation = _ranked(state, chosen, share_hz, delay_s=delay_s)


def first_peak(state: RoundState, order: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the first devices of an order up to the first one that lowers J."""
    best, allocation = 0.0, Allocation.empty()
    count = 0
    while count < servable_count(state, order):
        count += 1
        delay_s, share_hz = state.min_delay(order[:count])
        value = float(objective.value(count, delay_s, state))
        if value < best:
            break
        best = value
        allocation = Allocation.of(state, order[:count], bandwidth_hz=share_hz, delay_s=delay_s)
    return allocation.with_certificate(None, count)


def fastest_allocation(state: RoundState, count: int) -> Allocation:
    """Return the allocation of the fastest ``count`` devices, or of as many as can be served."""
    reachable = reachable_by_gain(state)
    count = min(count, servable_count(state, reachable))
    if not count:
        return Allocation.empty()
    chosen, share_hz, delay_s = fastest_of(state, reachable, count)
    return _ranked(state, chosen, share_hz, delay_s=delay_s)


def _ranked(
    state: RoundState,
    chosen: Int[ndarray, " N"],
    share_hz: Float[ndarray, " N"],
    *,
    delay_s: float,
) -> Allocation:
    """Return the allocation of a set, strongest device first."""
    ranked = largest_first(state.gain[chosen])
    return Allocation.of(state, chosen[ranked], bandwidth_hz=share_hz[ranked], delay_s=delay_s)


def _limit_hz(state: RoundState) -> float:
    return state.bandwidth_hz * (1.0 + _ROUNDING)
