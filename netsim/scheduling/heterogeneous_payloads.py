"""The optimum of P1 where payloads differ, so that the best sets are not the first N devices of any
order.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.link import shannon
from netsim.scheduling.allocation import Allocation
from netsim.scheduling.objective import Objective
from netsim.scheduling.round_state import RoundState

_ROUNDING: Final = 1e-12


def best_set(state: RoundState, reachable: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the set with the largest J; ``reachable`` holds the devices with a gain, strongest
    first.

    For each N a lower bound of the least delay bounds J from above. The N of the largest bound is
    solved, which raises the bounds of others, until no N promises more than the best one solved.
    """
    counts = np.arange(1, len(reachable) + 1)
    lower_s = _least_delays(state, reachable)
    unsolved = np.ones(len(reachable), bool)
    best, allocation = 0.0, Allocation.empty()
    while True:
        promise = np.where(
            unsolved, objective.value(counts, lower_s * (1.0 - _ROUNDING), state), -np.inf
        )
        count = len(counts) - int(promise[::-1].argmax())
        if promise[count - 1] < best:
            return allocation.with_certificate(best, int(np.count_nonzero(~unsolved)))
        candidate, demand_hz = fastest_set(state, reachable, count)
        unsolved[count - 1] = False
        value = float(objective.value(count, candidate.delay_s, state))
        if value > best or (value == best and count > len(allocation.devices)):
            best, allocation = value, candidate
        # B(D) D falls in D for every device: fewer devices gain at most in proportion to the demand
        # they save.
        raised_s = candidate.delay_s * np.minimum(demand_hz / state.bandwidth_hz, 1.0)
        lower_s = np.maximum(lower_s, raised_s)


def fastest_set(
    state: RoundState, reachable: Int[ndarray, " n"], count: int
) -> tuple[Allocation, Float[ndarray, " n"]]:
    """Return the ``count`` devices with the least common delay, and the least demand of 1, 2, ...
    devices at it.

    Starting from any set, take the devices that need least bandwidth at its delay: their common
    delay is not longer. Where that changes nothing the N least demands fill the band exactly, and
    only one delay does so.
    """
    cheapest = np.argsort(_alone_s(state, reachable), kind="stable")[:count]
    while True:
        chosen = np.sort(cheapest)
        delay_s, share_hz = state.min_delay(reachable[chosen])
        needed_hz = state.bandwidth_for(delay_s)[reachable]
        ranked = np.argsort(needed_hz, kind="stable")
        demand_hz = needed_hz[ranked].cumsum()
        if demand_hz[count - 1] >= needed_hz[chosen].sum() * (1.0 - 1e-13):
            return Allocation.of(state, reachable[chosen], share_hz, delay_s), demand_hz
        cheapest = ranked[:count]


def _least_delays(state: RoundState, reachable: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return a lower bound in seconds of the least common delay of any 1, 2, ... devices.

    A set of N has a device at least as slow, alone in the whole band, as the N-th fastest one; and
    even if all power came from one place, the N smallest payloads would take their time.
    """
    bits, power_w = state.bits[reachable], (state.tx_power_w * state.gain)[reachable]
    snr = np.sort(power_w)[::-1].cumsum() / (state.noise_psd * state.bandwidth_hz)
    together_s = np.sort(bits).cumsum() * (shannon.LN2 / state.bandwidth_hz) / np.log1p(snr)
    return np.maximum(np.sort(_alone_s(state, reachable)), together_s)


def _alone_s(state: RoundState, reachable: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return each device's delay in seconds if it had the whole band."""
    gain, power_w = state.gain[reachable], state.tx_power_w[reachable]
    rate_bps: Float[ndarray, " n"] = shannon.rate(
        state.bandwidth_hz, gain, state.noise_psd, power_w
    )
    return state.bits[reachable] / rate_bps
