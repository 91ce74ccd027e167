"""Actions: the kinds of decision that an agent may make, and their allocations.

Devices that are not offered or have no gain never take part, whatever the action.
"""

from abc import ABC, abstractmethod
from typing import Final, Literal, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from typing_extensions import override

from netsim.scheduling import Allocation, RoundState
from netsim.scheduling.round_state import largest_first

ActionKind: TypeAlias = Literal["count", "subset", "scores", "shares"]
NO_BAND: Final = 1e-9
"""Share of the band below which a device gets no bandwidth and does not take part."""
_ROUNDING: Final = 1e-12
"""Relative distance from the budget at which a predicted delay counts as the budget."""


class Actions(ABC):
    """Kind of action over K devices: its allocation, and the mask of what it may choose."""

    band = "solved"
    """Origin of the bandwidths: ``solved`` for the minimum common delay, or ``given``."""

    @abstractmethod
    def mask(self, state: RoundState, count: int) -> Int[ndarray, " m"]:
        """Return the mask in the form that Gymnasium's ``action_space.sample(mask)`` takes.

        It has K entries for the K devices; ``CountActions`` has K + 1.
        """

    @abstractmethod
    def chosen(self, action: Shaped[ndarray, "..."], state: RoundState) -> Bool[ndarray, " n"]:
        """Return the mask of the offered devices that take part."""

    def allocation(
        self, action: Shaped[ndarray, "..."], state: RoundState, chosen: Bool[ndarray, " n"]
    ) -> Allocation:
        """Return the allocation of the chosen devices: by default that of minimum common delay."""
        return Allocation.equal_finish(state, np.flatnonzero(chosen))


@final
class CountActions(Actions):
    """Number of devices: those of the largest received power take part."""

    @override
    def mask(self, state: RoundState, count: int) -> Int[ndarray, " m"]:
        reachable = np.count_nonzero(state.gain > 0)
        return (np.arange(count + 1) <= reachable).astype(np.int8)

    @override
    def chosen(self, action: Shaped[ndarray, "..."], state: RoundState) -> Bool[ndarray, " n"]:
        power_w = state.tx_power_w * state.gain
        chosen = np.zeros(len(power_w), bool)
        chosen[largest_first(power_w)[: int(action)]] = True
        return chosen & (state.gain > 0)


@final
class SubsetActions(Actions):
    """One bit per device."""

    @override
    def mask(self, state: RoundState, count: int) -> Int[ndarray, " m"]:
        # MultiBinary.sample() reads 0 as "stays 0" and 2 as "either".
        return 2 * _free(state, count)

    @override
    def chosen(self, action: Shaped[ndarray, "..."], state: RoundState) -> Bool[ndarray, " n"]:
        return (np.asarray(action)[state.device] > 0) & (state.gain > 0)


@final
class ScoreActions(Actions):
    """One score per device: those above zero take part."""

    @override
    def mask(self, state: RoundState, count: int) -> Int[ndarray, " m"]:
        return _free(state, count)

    @override
    def chosen(self, action: Shaped[ndarray, "..."], state: RoundState) -> Bool[ndarray, " n"]:
        return (np.asarray(action)[state.device] > 0) & (state.gain > 0)


@final
class ShareActions(Actions):
    """Bandwidth of each device in Hz: those with more than a billionth of the band take part.

    Bandwidths that sum to more than the band are scaled down to it.
    """

    band = "given"

    @override
    def mask(self, state: RoundState, count: int) -> Int[ndarray, " m"]:
        return _free(state, count)

    @override
    def chosen(self, action: Shaped[ndarray, "..."], state: RoundState) -> Bool[ndarray, " n"]:
        share_hz = np.asarray(action)[state.device]
        return (share_hz > NO_BAND * state.bandwidth_hz) & (state.gain > 0)

    @override
    def allocation(
        self, action: Shaped[ndarray, "..."], state: RoundState, chosen: Bool[ndarray, " n"]
    ) -> Allocation:
        if not chosen.any():
            return Allocation.empty()
        position = np.flatnonzero(chosen)
        position = position[largest_first(state.gain[position])]
        share_hz = np.asarray(action, float)[state.device[position]]
        total_hz = share_hz.sum()
        if total_hz > state.bandwidth_hz * (1.0 + NO_BAND):
            share_hz = share_hz * (state.bandwidth_hz / total_hz)
        return Allocation.of(
            state, position, bandwidth_hz=share_hz, delay_s=_predicted_s(state, position, share_hz)
        )


def _predicted_s(
    state: RoundState, position: Int[ndarray, " N"], share_hz: Float[ndarray, " N"]
) -> float:
    """Return the delay of given bandwidths in seconds; the budget, if rounding alone differs."""
    delay_s = state.delay(position, share_hz)
    budget_s = state.delay_budget_s
    return budget_s if abs(delay_s - budget_s) <= _ROUNDING * budget_s else delay_s


def _free(state: RoundState, count: int) -> Int[ndarray, " K"]:
    """Return 1 for each of the K devices that may take part, and 0 for the others."""
    free = np.zeros(count, np.int8)
    free[state.device[state.gain > 0]] = 1
    return free


ACTIONS: Final[dict[str, Actions]] = {
    "count": CountActions(),
    "subset": SubsetActions(),
    "scores": ScoreActions(),
    "shares": ShareActions(),
}
