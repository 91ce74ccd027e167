"""Scheduling policy: the interface that every policy implements."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from netsim.scheduling.allocation import Allocation
from netsim.scheduling.record import RoundRecord
from netsim.scheduling.round_state import RoundState


class Policy(ABC):
    """Scheduling policy: it chooses the devices of each round and the bandwidth of each.

    A policy without memory implements ``schedule`` alone; its decision is then a function of the
    state. A policy that keeps something between rounds also implements ``state_dict`` and
    ``load_state_dict``: every checkpoint contains that state. A policy that changes its attributes
    without them is refused at the first checkpoint, because a resumed run would differ.
    """

    @abstractmethod
    def schedule(self, state: RoundState) -> Allocation:
        """Return the allocation for this round."""

    def observe(self, record: RoundRecord) -> None:  # noqa: B027 (optional)
        """Take note of the outcome of a round; nothing by default.

        The simulation calls it once per round, after ``schedule`` and before the next round.
        """

    def state_dict(self) -> Mapping[str, Any]:
        """Return the memory of the policy; empty by default.

        Keys are strings. Values are arrays, numbers, strings, bools or None; they are saved as plain data.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the memory of the policy from an earlier ``state_dict``.

        Raises:
            ValueError: the policy has no memory and ``state`` is not empty.
        """
        if state:
            keys = ", ".join(map(repr, state))
            raise ValueError(
                f"{type(self).__name__} has no load_state_dict() and cannot restore {keys}"
            )

    def unfitted(self) -> tuple[str, ...]:
        """Return the names of the options that ``fit`` has to determine; none by default.

        A run fits such a policy before its first round. That takes gains that do not depend on the
        decisions.
        """
        return ()

    def fit(self, rounds: Iterable[RoundState]) -> "Policy":
        """Return the policy with every option determined; by default the policy itself.

        Args:
            rounds: the states of all rounds of the run, with true gains, produced on demand.
        """
        return self
