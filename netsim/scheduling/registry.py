"""How a policy is found by its name."""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from netsim.scheduling.base import Policy
from netsim.scheduling.policies.aaba import Aaba
from netsim.scheduling.policies.algorithm1 import Algorithm1
from netsim.scheduling.policies.all_in import AllIn
from netsim.scheduling.policies.exact import Exact
from netsim.scheduling.policies.greedy import Greedy
from netsim.scheduling.policies.knapsack_energy import KnapsackEnergy
from netsim.scheduling.policies.latency_first import LatencyFirst
from netsim.scheduling.policies.oracle_static import OracleStatic
from netsim.scheduling.policies.proportional_fair import ProportionalFair
from netsim.scheduling.policies.random import Random
from netsim.scheduling.policies.round_robin import RoundRobin

POLICIES: Final[dict[str, type[Policy]]] = {
    "all_in": AllIn,
    "aaba": Aaba,
    "greedy": Greedy,
    "algorithm1": Algorithm1,
    "exact": Exact,
    "random": Random,
    "round_robin": RoundRobin,
    "proportional_fair": ProportionalFair,
    "latency_first": LatencyFirst,
    "oracle_static": OracleStatic,
    "knapsack_energy": KnapsackEnergy,
}
ENTRY_POINTS: Final = "airtune.policies"
"""Group of entry points in which an installed package offers its policies by name."""


def create(kind: str, **options: Any) -> Policy:  # each policy declares and checks its own
    """Return the policy of a kind with its options, for instance ``create("exact", drift="full")``.

    Raises: ValueError: an unknown kind; an unknown or impossible option of a built-in policy
        (pydantic's error, which
            is one).
    """
    return policy_class(kind)(**options)


def policy_class(kind: str) -> type[Policy]:
    """Return the class of a built-in policy, of an installed one (its entry point's name), or of
    ``module:Class``.

    Raises:
        ValueError: there is no such policy; the text says what was looked for.
    """
    if kind in POLICIES:
        return POLICIES[kind]
    if ":" in kind:
        return _policy(_imported(kind), kind)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if kind in installed:
        return _policy(installed[kind].load(), kind)
    known = ", ".join([*POLICIES, *sorted(installed)])
    raise ValueError(f"unknown policy {kind!r}: allowed are {known}, or 'package.module:ClassName'")


def _imported(kind: str) -> object:
    module, _, name = kind.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"policy {kind!r} cannot be imported: {error}") from error


def _policy(found: object, kind: str) -> type[Policy]:
    if isinstance(found, type) and issubclass(found, Policy):
        return found
    raise ValueError(f"policy {kind!r} is not a subclass of netsim.scheduling.Policy")
