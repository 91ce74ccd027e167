"""Drift-plus-penalty objective J of problem P1, equation (22), as the paper notes read it."""

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.parameters import CONFIG, Positive
from netsim.scheduling.round_state import RoundState

Drift = Literal["paper", "full"]


class Zeta(ABC):
    """Control parameter zeta(t) of (22): weight of the queue against participation, no unit."""

    @abstractmethod
    def at(self, round_number: int) -> float:
        """Return zeta of a round; rounds count from 1."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class InverseSqrtZeta(Zeta):
    """Inverse square root ``initial / sqrt(t)``: zeta descends and (8) holds in the limit."""

    kind: Literal["inverse_sqrt"] = "inverse_sqrt"
    initial: Positive = 1.0
    """zeta in the first round, without unit."""

    @override
    def at(self, round_number: int) -> float:
        return float(self.initial * round_number**-0.5)


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ConstantZeta(Zeta):
    """Constant zeta in every round."""

    kind: Literal["constant"] = "constant"
    initial: Positive = 1.0
    """zeta in every round, without unit."""

    @override
    def at(self, round_number: int) -> float:
        return self.initial


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PowerZeta(Zeta):
    """Power law ``initial * t ** -exponent``.

    With an exponent of 1 or more the queue grows as fast as t and (8) stays violated, so such an
    exponent is refused.
    """

    kind: Literal["power"] = "power"
    initial: Positive = 1.0
    """zeta in the first round, without unit."""
    exponent: Annotated[float, Field(ge=0, lt=1, strict=True)]
    """Exponent of the descent of zeta, without unit."""

    @override
    def at(self, round_number: int) -> float:
        return float(self.initial * round_number**-self.exponent)


AnyZeta = Annotated[InverseSqrtZeta | ConstantZeta | PowerZeta, Field(discriminator="kind")]


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Objective:
    """Objective ``J = N - zeta(t) Q D / budget^2`` of problem P1, equation (22).

    With the full drift ``J = N - zeta(t) (Q D + D^2 / 2) / budget^2``. Q is the virtual queue
    before the round and D the round's delay, both in seconds; J has no unit. Lemma 2 of the paper
    drops the square, so that with an empty queue delay costs nothing.
    """

    zeta: AnyZeta = field(default_factory=InverseSqrtZeta)
    """Control parameter zeta(t)."""
    drift: Drift = "paper"
    """``paper`` drops the squared delay as Lemma 2 does, ``full`` keeps it."""

    def value(
        self,
        count: Int[ndarray, "*#sets"] | int,
        delay_s: Float[ndarray, "*#sets"] | float,
        state: RoundState,
    ) -> Float[ndarray, "..."]:
        """Return J of sets with ``count`` devices and a common delay in the round of ``state``.

        Count and delay broadcast.
        """
        weight = self.zeta.at(state.round) / state.delay_budget_s**2
        if self.drift == "full":
            return np.asarray(count - weight * (state.virtual_queue_s + delay_s / 2) * delay_s)
        return np.asarray(count - (weight * state.virtual_queue_s) * delay_s)

    def delay_s(self, count: int, value: float, state: RoundState) -> float:
        """Return the delay in seconds at which a set of ``count`` devices has a given J.

        Infinite if J exceeds the value at every delay, 0 if J never exceeds it.
        """
        if count <= value:
            return 0.0
        worth = (count - value) * state.delay_budget_s**2 / self.zeta.at(state.round)
        queue_s = state.virtual_queue_s
        if self.drift == "full":
            return 2.0 * worth / (queue_s + math.sqrt(queue_s**2 + 2.0 * worth))
        return worth / queue_s if queue_s > 0 else math.inf
