"""The optimum of problem P1."""

from dataclasses import field
from typing import Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim import phy
from netsim.parameters import CONFIG
from netsim.scheduling.base import Allocation, Policy, RoundState
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrt, Objective
from netsim.scheduling.prefixes import Prefixes, reachable_by_gain

_ELEMENTS_AT_ONCE = 4096


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Exact(Policy):
    """The optimum of P1 (22), which the paper calls NP-hard.

    With equal payloads, swapping a scheduled device for one of larger received power never raises the common
    delay, so the best set of N is the N strongest and J is maximised over prefixes. With different payloads the
    best set of N for a delay is the N devices that need least bandwidth at it. Ties in J go to the larger N.
    """

    kind: Literal["exact"] = "exact"
    zeta: AnyZeta = field(default_factory=InverseSqrt)
    """Control parameter zeta(t) of (22)."""
    drift: Drift = "paper"
    """``paper`` drops the squared delay as Lemma 2 does, ``full`` keeps it."""

    @override
    def schedule(self, state: RoundState) -> Allocation:
        reachable = reachable_by_gain(state)
        if not reachable.size:
            return Allocation.nobody()
        objective = Objective(zeta=self.zeta, drift=self.drift)
        if (state.bits == state.bits[0]).all():
            power_w = (state.tx_power_w * state.gain)[reachable]
            return best_prefix(state, reachable[np.argsort(-power_w, kind="stable")], objective)
        return best_set(state, reachable, objective)


def best_prefix(state: RoundState, order: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the prefix of ``order`` (equal payloads, falling received power) with the largest J.

    Two closed forms bound each prefix's delay: below, the weakest device alone in the whole band and all
    received power in one band; above, equal shares. Only prefixes whose best possible J is not below the
    largest J already certain are solved, the most promising first.
    """
    counts = np.arange(1, len(order) + 1)
    snr = (state.tx_power_w * state.gain)[order] / (state.noise_psd * state.bandwidth_hz)
    unit_s = state.bits[order[0]] * phy.LN2 / state.bandwidth_hz
    least_s = unit_s * np.maximum(1.0 / np.log1p(snr), counts / np.log1p(np.cumsum(snr)))
    most_s = unit_s * counts / np.log1p(counts * snr)
    # The bounds touch for one device; rounding must not rule out the optimum.
    promise = objective.value(counts, least_s * (1 - 1e-12), state)
    certain = max(0.0, float(objective.value(counts, most_s * (1 + 1e-12), state).max()))
    open_counts = counts[promise >= certain]
    prefixes = Prefixes(state, order)
    best, allocation = 0.0, Allocation.nobody()
    while open_counts.size:
        open_counts = open_counts[np.argsort(-promise[open_counts - 1], kind="stable")]
        batch = open_counts[: max(1, _ELEMENTS_AT_ONCE // int(open_counts.max()))]
        solved = prefixes.solve(batch)
        values = objective.value(batch, solved.delay_s, state)
        index = int(np.lexsort((batch, values))[-1])
        if values[index] > best or (values[index] == best and batch[index] > len(allocation.devices)):
            best, allocation = float(values[index]), solved.allocation(index)
        open_counts = open_counts[len(batch) :]
        open_counts = open_counts[promise[open_counts - 1] >= best]
    return allocation


def best_set(state: RoundState, reachable: Int[ndarray, " n"], objective: Objective) -> Allocation:
    """Return the set with the largest J where payloads differ.

    A set of N contains a device at least as slow, alone in the whole band, as the N-th fastest one: that bounds
    each N's delay from below, and the most promising N are solved first.
    """
    alone_s = np.sort(state.bits[reachable] / _alone_bps(state)[reachable])
    promise = objective.value(np.arange(1, len(reachable) + 1), alone_s * (1 - 1e-12), state)
    best, allocation = 0.0, Allocation.nobody()
    for index in np.argsort(-promise, kind="stable"):
        count = int(index) + 1
        if promise[index] < best:
            break
        chosen, share_hz, delay_s = fastest_set(state, reachable, count)
        value = float(objective.value(count, delay_s, state))
        if value > best or (value == best and count > len(allocation.devices)):
            best, allocation = value, Allocation.of(state, chosen, share_hz, delay_s)
    return allocation


def fastest_set(
    state: RoundState, reachable: Int[ndarray, " n"], count: int
) -> tuple[Int[ndarray, " N"], Float[ndarray, " N"], float]:
    """Return the set of ``count`` devices with the least common delay: positions, bandwidths (Hz), delay (s).

    Starting from any set, take the devices that need least bandwidth at its delay: their common delay is not
    longer. Where that changes nothing the N least demands fill the band exactly, and only one delay does so.
    """
    chosen = reachable[
        np.argsort(state.bits[reachable] / _alone_bps(state)[reachable], kind="stable")[:count]
    ]
    while True:
        chosen = np.sort(chosen)
        chosen = chosen[np.argsort(-state.gain[chosen], kind="stable")]
        delay_s, share_hz = state.min_delay(chosen)
        needed_hz = state.bandwidth_for(delay_s)
        cheapest = reachable[np.argsort(needed_hz[reachable], kind="stable")[:count]]
        if needed_hz[cheapest].sum() >= needed_hz[chosen].sum() * (1 - 1e-13):
            return chosen, share_hz, delay_s
        chosen = cheapest


def _alone_bps(state: RoundState) -> Float[ndarray, " n"]:
    """Return each device's rate in bit/s if it had the whole band."""
    return phy.rate(state.bandwidth_hz, state.gain, state.noise_psd, state.tx_power_w)
