"""Who takes part in a round, and with how much bandwidth: one file a policy."""

from typing import Any, Final

from netsim.scheduling.aaba import Aaba
from netsim.scheduling.algorithm1 import Algorithm1
from netsim.scheduling.all_in import AllIn
from netsim.scheduling.base import Allocation, History, Policy, RoundState
from netsim.scheduling.exact import Exact
from netsim.scheduling.greedy import Greedy
from netsim.scheduling.objective import AnyZeta, Drift, InverseSqrt, Objective

POLICIES: Final[dict[str, type[Policy]]] = {
    "all_in": AllIn,
    "aaba": Aaba,
    "greedy": Greedy,
    "algorithm1": Algorithm1,
    "exact": Exact,
}


def create(kind: str, **options: Any) -> Policy:  # each policy declares and checks its own
    """Return the policy of a kind with its options, for instance ``create("exact", drift="full")``.

    Raises:
        ValueError: an unknown kind; an unknown or impossible option (pydantic's error, which is one).
    """
    if kind not in POLICIES:
        raise ValueError(f"unknown policy {kind!r}: allowed are {', '.join(POLICIES)}")
    return POLICIES[kind](**options)


__all__ = [
    "POLICIES",
    "Allocation",
    "AnyZeta",
    "Drift",
    "History",
    "InverseSqrt",
    "Objective",
    "Policy",
    "RoundState",
    "create",
]
