"""Scripted policy: a given number of devices per round, to test if later rounds matter more."""

from dataclasses import dataclass
from typing import Final, Literal, final

from typing_extensions import override

from netsim.scheduling import Allocation, Policy, RoundState

NAME: Final = "reproduction.ordered:Ordered"


@final
@dataclass(frozen=True, kw_only=True)
class Ordered(Policy):
    """Random devices: ``least`` at one end of the run and ``most`` at the other, or the mean.

    All three orders schedule ``rounds * (least + most) / 2`` devices over the run. In a round, a
    smaller set is a subset of a larger one, for every order. The channel has no influence, so two
    orders differ only in the number of devices.
    """

    order: Literal["ascending", "descending", "constant"]
    least: int
    most: int
    rounds: int

    def __post_init__(self) -> None:
        if self.order not in ("ascending", "descending", "constant"):
            raise ValueError(
                f"order = {self.order!r} is not one of 'ascending', 'descending', 'constant'"
            )
        if not 0 <= self.least <= self.most or (self.least + self.most) % 2:
            raise ValueError("needs 0 <= least <= most, with an even sum")
        if self.rounds < 2 or self.rounds % 2:
            raise ValueError(f"rounds = {self.rounds} is not an even number of rounds")

    def count(self, round_number: int) -> int:
        """Return the number of devices of a round; the first round is 1."""
        both = self.least + self.most
        if self.order == "constant":
            return both // 2
        place = round_number if self.order == "ascending" else self.rounds + 1 - round_number
        # The second half mirrors the first one, so that rounding cannot change the total.
        if place > self.rounds // 2:
            return both - self._rising(self.rounds + 1 - place)
        return self._rising(place)

    def _rising(self, place: int) -> int:
        return self.least + (self.most - self.least) * (place - 1) // (self.rounds - 1)

    @override
    def schedule(self, state: RoundState) -> Allocation:
        lot = state.require_rng().permutation(len(state.device))
        return Allocation.equal_finish(state, state.by_device()[lot[: self.count(state.round)]])
