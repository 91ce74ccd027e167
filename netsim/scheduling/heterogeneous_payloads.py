"""Optimum of P1 with heterogeneous payloads: the best sets are no prefixes of any order."""

from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.link import shannon
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.objective import Objective
from netsim.scheduling.round_state import RoundState

_ROUNDING: Final = 1e-12
"""Relative room for rounding below a lower bound of a delay."""
_SAME_DEMAND: Final = 1e-13
"""Relative difference of two demands that counts as rounding."""


def best_set(state: RoundState, reachable: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the set with the maximum J.

    ``reachable`` holds the devices with a gain, strongest first. For each N a lower bound of the
    minimum delay bounds J from above. The N of the largest upper bound is solved, which raises the
    lower bounds of others, until no upper bound exceeds the best solved J.
    """
    counts = np.arange(1, len(reachable) + 1)
    lower_s = _lower_delays(state, reachable)
    unsolved = np.ones(len(reachable), bool)
    best, allocation = 0.0, Allocation.empty()
    while True:
        # Candidate: the number of devices with the largest upper bound of J; ties to the larger.
        upper_bound = np.where(
            unsolved, objective.value(counts, lower_s * (1.0 - _ROUNDING), state), -np.inf
        )
        count = len(counts) - int(upper_bound[::-1].argmax())
        if upper_bound[count - 1] < best:
            return allocation.with_certificate(best, int(np.count_nonzero(~unsolved)))
        # Solve the candidate.
        candidate, demand_hz, delay_s = fastest_set(state, reachable, count)
        unsolved[count - 1] = False
        # P1 is about the delay of the uplink; the predicted delay may include a downlink.
        value = float(objective.value(count, delay_s, state))
        if value > best or (value == best and count > len(allocation.devices)):
            best, allocation = value, candidate
        # Raise the other lower bounds: B(D) D falls in D for every device, so fewer devices gain
        # at most in proportion to the demand they save.
        raised_s = delay_s * np.minimum(demand_hz / state.bandwidth_hz, 1.0)
        lower_s = np.maximum(lower_s, raised_s)


def fastest_set(
    state: RoundState, reachable: Int[ndarray, " n"], count: int
) -> tuple[Allocation, Float[ndarray, " n"], float]:
    """Return the ``count`` devices of minimum common delay, the demand in Hz at it, and the delay.

    The delay in seconds is that of the uplink, which the predicted delay of the allocation exceeds
    if there is a downlink. Entry N - 1 of the demand is the minimum bandwidth that N devices need.
    The iteration starts from any set and takes the devices that need least bandwidth at its delay:
    their common delay is not longer. If that changes nothing, the N smallest demands fill the band
    exactly, and only one delay does so.
    """
    cheapest = np.argsort(_alone_s(state, reachable), kind="stable")[:count]
    while True:
        # Minimum common delay of the present set.
        chosen = np.sort(cheapest)
        delay_s, share_hz = state.min_delay(reachable[chosen])
        # Smallest demands at this delay.
        needed_hz = state.bandwidth_for(delay_s)[reachable]
        ranked = np.argsort(needed_hz, kind="stable")
        demand_hz = needed_hz[ranked].cumsum()
        if demand_hz[count - 1] >= needed_hz[chosen].sum() * (1.0 - _SAME_DEMAND):
            allocation = Allocation.of(
                state, reachable[chosen], bandwidth_hz=share_hz, delay_s=delay_s
            )
            return allocation, demand_hz, delay_s
        cheapest = ranked[:count]


def _lower_delays(state: RoundState, reachable: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return lower bounds in seconds of the minimum common delay of any 1, 2, ... devices.

    A set of N has a device at least as slow, alone in the whole band, as the N-th fastest one. Even
    if all power came from one place, the N smallest payloads would take their time.
    """
    bits = state.bits[reachable]
    power_w = (state.tx_power_w * state.gain)[reachable]
    snr = np.sort(power_w)[::-1].cumsum() / (state.noise_psd * state.bandwidth_hz)
    together_s = np.sort(bits).cumsum() * (shannon.LN2 / state.bandwidth_hz) / np.log1p(snr)
    return np.maximum(np.sort(_alone_s(state, reachable)), together_s)


def _alone_s(state: RoundState, reachable: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return the delay in seconds of each device alone in the whole band."""
    gain = state.gain[reachable]
    power_w = state.tx_power_w[reachable]
    rate_bps: Float[ndarray, " n"] = shannon.rate(
        state.bandwidth_hz, gain, state.noise_psd, tx_power_w=power_w
    )
    return state.bits[reachable] / rate_bps
