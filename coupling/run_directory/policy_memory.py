"""Policy memory: saved with every checkpoint, or refused where it cannot be saved."""

from collections.abc import Mapping
from typing import Any, final

from coupling.scenario.errors import RunError
from learner.aggregation.base import Aggregator
from netsim.scheduling import Policy, policy_state


@final
class PolicyMemory:
    """Memory of a policy, saved with every checkpoint; what cannot be saved is refused."""

    def __init__(self, policy: Policy, name: str, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._aggregator_fingerprint = policy_state.fingerprint(aggregator)
        self._policy = policy
        self._name = name
        self._has_memory = policy_state.has_memory(policy)
        self._fingerprint = None if self._has_memory else policy_state.fingerprint(policy)
        self._returned_to: Mapping[str, Any] | None = None

    def state_dict(self, round_number: int) -> dict[str, Any]:
        """Return the memory of the policy.

        Raises:
            RunError: the policy has changed its attributes and has no ``state_dict``; or the
                aggregator has changed its attributes, which no checkpoint saves.
        """
        if self._returned_to is not None:
            return dict(self._returned_to)
        if policy_state.fingerprint(self._aggregator) != self._aggregator_fingerprint:
            name = type(self._aggregator).__name__
            raise RunError(
                f"round {round_number}: aggregator {name!r} has changed its attributes, which no "
                "checkpoint saves; set them in __init__() and keep nothing between rounds"
            )
        return self._policy_memory(round_number)

    def remembered(self, round_number: int) -> dict[str, Any]:
        """Return a copy of the memory, which the next round does not change.

        Raises:
            RunError: the memory is not plain data, or ``state_dict`` raises.
        """
        if not self._has_memory:
            return {}
        try:
            return policy_state.unpack(*policy_state.pack(self._policy_memory(round_number)))
        except ValueError as error:
            raise RunError(f"round {round_number}: {error}") from None

    def return_to(self, memory: Mapping[str, Any]) -> None:
        """Save this memory from now on: the policy has been stopped in a round that is undone."""
        self._returned_to = memory

    def _policy_memory(self, round_number: int) -> dict[str, Any]:
        if self._has_memory:
            try:
                return dict(self._policy.state_dict())
            except (Exception, SystemExit) as error:  # a policy may raise anything
                text = " ".join(f"{type(error).__name__}: {error}".split())
                raise RunError(
                    f"round {round_number}: policy {self._name!r}: state_dict() raised or "
                    f"returned no mapping: {text}"
                ) from error
        if policy_state.fingerprint(self._policy) != self._fingerprint:
            raise RunError(
                f"round {round_number}: policy {self._name!r} has changed its attributes "
                "and cannot be saved; give it state_dict() and load_state_dict()"
            )
        return {}

    def restore(self, memory: Any) -> None:
        """Give the policy the memory that was saved.

        Raises:
            RunError: the policy does not take it.
        """
        try:
            self._policy.load_state_dict(memory)
        except (Exception, SystemExit) as error:  # a policy may raise anything
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise RunError(f"policy {self._name!r}: load_state_dict() raised {text}") from error
