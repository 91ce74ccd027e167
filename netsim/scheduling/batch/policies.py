"""Batched policies: ``exact`` and ``algorithm1`` for many worlds at once."""

from collections.abc import Callable
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.allocation import bandwidth_demand
from netsim.allocation.common_delays import common_delays
from netsim.link import shannon
from netsim.scheduling.batch.states import AllocationBatch, StateBatch
from netsim.scheduling.objective import Objective
from netsim.scheduling.policies import exact as single
from netsim.scheduling.prefix_search import tighten

_GUESS: Final = 0.2
"""Position of a guess between a lower and an upper bound; the lower closed form is closer."""


def exact(states: StateBatch, objective: Objective) -> AllocationBatch:
    """Return the optimum of P1 in each world, as ``Exact`` finds it for one.

    Worlds in which the payloads of the devices differ are decided one by one.
    """
    there = states.present & (states.gain > 0)
    low = np.where(there, states.bits, np.inf).min(axis=1)
    high = np.where(there, states.bits, -np.inf).max(axis=1)
    prefixes = _PrefixBatch(states, states.tx_power_w * states.gain)
    best = prefixes.select(objective, _could_be_best, _best)
    allocation = prefixes.allocation(best)
    for world in np.flatnonzero(low < high).tolist():
        state = states.state(world)
        one = single.Exact(objective=objective).schedule(state)
        allocation.scheduled[world] = False
        allocation.scheduled[world, one.devices] = True
        allocation.bandwidth_hz[world] = 0.0
        allocation.bandwidth_hz[world, one.devices] = one.bandwidth_hz
        allocation.delay_s[world] = one.delay_s
    return allocation


def algorithm1(states: StateBatch, objective: Objective) -> AllocationBatch:
    """Return Algorithm 1's decision in each world: the prefix before the first that lowers J."""
    prefixes = _PrefixBatch(states, states.gain)
    return prefixes.allocation(prefixes.select(objective, _could_be_first_peak, _first_peak))


_Values = Float[ndarray, "W sets"]


@final
class _PrefixBatch:
    """Bounds of the minimum common delays of the first N devices of each world, for every N.

    The bounds are those of ``netsim.scheduling.prefix_search.Prefixes``, for matrices.
    """

    def __init__(self, states: StateBatch, rank: Float[ndarray, "W K"]) -> None:
        self.states = states
        reachable = states.present & (states.gain > 0)
        self.order = np.argsort(np.where(reachable, -rank, np.inf), axis=1, kind="stable")
        self.sizes = np.count_nonzero(reachable, axis=1)
        worlds, devices = rank.shape
        self._every = np.arange(worlds)[:, None]
        self.counts = np.arange(devices + 1)
        member = self.counts[:-1] < self.sizes[:, None]
        self._unit = shannon.LN2 / states.bandwidth_hz
        bits = states.bits[self._every, self.order]
        snr = (states.tx_power_w * states.gain)[self._every, self.order]
        snr /= states.noise_psd * states.bandwidth_hz
        # Devices behind the last prefix repeat the strongest one, so that they stay finite.
        anyone = (self.sizes > 0)[:, None]
        self.bits = np.where(member, bits, np.where(anyone, bits[:, :1], 1.0))
        snr = np.where(member, snr, np.where(anyone, snr[:, :1], 1.0))
        self.floor_s = self.bits / snr * self._unit
        self.log_floor = np.log(self.floor_s)
        self.worst_log_floor = np.maximum.accumulate(self.log_floor, axis=1)
        self.slack = float(np.finfo(float).eps) * (64 + devices)
        self.bounds_s = np.zeros((2, worlds, devices + 1))
        lower_s, upper_s = self.bounds_s[:, :, 1:]
        together = self.bits.cumsum(axis=1)
        alone = np.maximum.accumulate(self.bits / np.log1p(snr), axis=1)
        np.maximum(alone, together / np.log1p(snr.cumsum(axis=1)), out=lower_s)
        lower_s *= self._unit * (1.0 - self.slack)
        together *= self._unit
        np.divide(together, np.exp(self.worst_log_floor), out=upper_s)
        np.log1p(upper_s, out=upper_s)
        np.divide(together, upper_s, out=upper_s)
        upper_s *= 1.0 + self.slack
        self._shares: dict[tuple[int, int], Float[ndarray, " K"]] = {}

    def guess_s(self) -> Float[ndarray, "W sets"]:
        """Return delays between the bounds of all prefixes, in seconds."""
        lower_s, upper_s = self.bounds_s
        return np.asarray(lower_s + _GUESS * (upper_s - lower_s))

    def values(self, objective: Objective, delay_s: Float[ndarray, "W sets"]) -> _Values:
        """Return J of all prefixes at some delays; minus infinity behind the last device."""
        value = self.states.objective(objective, self.counts, delay_s, self._every)
        return np.where(self.counts <= self.sizes[:, None], value, -np.inf)

    def select(
        self,
        objective: Objective,
        candidates_of: Callable[[_Values, _Values], Bool[ndarray, "W sets"]],
        choose: Callable[[_Values], Int[ndarray, " W"]],
    ) -> Int[ndarray, " W"]:
        """Return the number of devices in each world that a rule chooses by the values of J.

        ``candidates_of`` names the prefixes on which the choice depends, from lower and upper
        bounds of J, and ``choose`` takes the values of J, exact for these. The bounds are narrowed
        once, at the guessed delay of the best prefix, before the candidates are solved.
        """
        best = self.values(objective, self.guess_s()).argmax(axis=1)
        self._refine(np.maximum(self.guess_s()[self._every[:, 0], np.maximum(best, 1)], 0.0))
        high, low = (self.values(objective, bound_s) for bound_s in self.bounds_s)
        candidates = candidates_of(low, high)
        candidates[:, 0] = False
        self._solve(*np.nonzero(candidates))
        return choose(self.values(objective, self.bounds_s[0]))

    def allocation(self, count: Int[ndarray, " W"]) -> AllocationBatch:
        """Return the allocation of minimum common delay to the first devices of each world."""
        taken = [
            world
            for world, number in enumerate(count.tolist())
            if number and (world, number) not in self._shares
        ]
        self._solve(np.array(taken, int), count[taken])
        worlds, devices = self.order.shape
        allocation = AllocationBatch(
            np.zeros((worlds, devices), bool),
            np.zeros((worlds, devices)),
            self.bounds_s[0, self._every[:, 0], count],
        )
        for world, number in enumerate(count.tolist()):
            if number:
                first = self.order[world, :number]
                allocation.scheduled[world, first] = True
                allocation.bandwidth_hz[world, first] = self._shares[world, number][:number]
        return allocation

    def _refine(self, delay_s: Float[ndarray, " W"]) -> None:
        """Narrow the bounds of all prefixes by their loads at one delay per world."""
        log_delay = np.log(delay_s)[:, None]
        moments = bandwidth_demand.load_moments(self.bits, self.log_floor, log_delay)
        np.cumsum(moments, axis=2, out=moments)
        tighten(
            self.bounds_s[:, :, 1:],
            moments,
            np.expm1(self.worst_log_floor - log_delay),
            delay_s=delay_s[:, None],
            unit=self._unit,
            slack=self.slack,
        )

    def _solve(self, world: Int[ndarray, " S"], count: Int[ndarray, " S"]) -> None:
        """Solve some prefixes: afterwards their bounds are their delays."""
        if not len(world):
            return
        largest = int(count.max())
        bits = self.bits[world, :largest]
        load = np.where(np.arange(largest) < count[:, None], bits, 0.0)
        lower_s, upper_s = self.bounds_s[:, world, count]
        delay_s, share_hz = common_delays(
            load,
            self.floor_s[world, :largest],
            self.states.bandwidth_hz,
            guess_s=lower_s + _GUESS * (upper_s - lower_s),
        )
        self.bounds_s[:, world, count] = delay_s
        self._shares.update(
            zip(zip(world.tolist(), count.tolist(), strict=True), share_hz, strict=True)
        )


def _could_be_best(low: _Values, high: _Values) -> Bool[ndarray, "W sets"]:
    return np.asarray(high >= low.max(axis=1, keepdims=True))


def _best(value: _Values) -> Int[ndarray, " W"]:
    """Return the number of devices of the maximum J; ties go to the larger number."""
    return np.asarray(value.shape[1] - 1 - value[:, ::-1].argmax(axis=1))


def _could_be_first_peak(low: _Values, high: _Values) -> Bool[ndarray, "W sets"]:
    """Return whether a prefix decides on the first fall of J, or is the last before a sure one."""
    falls = high[:, 1:] < low[:, :-1]
    before = np.where(falls.any(axis=1), falls.argmax(axis=1), falls.shape[1])[:, None]
    doubtful = (low[:, 1:] < high[:, :-1]) & (np.arange(falls.shape[1]) < before)
    doubtful &= np.isfinite(low[:, 1:])
    candidates = np.zeros(low.shape, bool)
    candidates[:, :-1] |= doubtful
    candidates[:, 1:] |= doubtful
    return candidates


def _first_peak(value: _Values) -> Int[ndarray, " W"]:
    """Return the number of devices before the first one that lowers J."""
    falls = value[:, 1:] < value[:, :-1]
    return np.asarray(np.where(falls.any(axis=1), falls.argmax(axis=1), falls.shape[1]))
