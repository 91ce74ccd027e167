"""Policy registry: find the class of a policy by its name, and create a policy."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from netsim.plugin_import import (
    foreign_code,
    installed,
    load_class,
    named_parameters,
    require_options,
)
from netsim.scheduling.base import Policy
from netsim.scheduling.objective import Objective
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
"""Entry-point group with which an installed package offers policies under short names."""


def create(
    kind: str,
    folders: Sequence[Path] = (),
    **options: Any,  # each policy declares and checks its own options
) -> Policy:
    """Return a policy with its options, for instance ``create("exact", drift="full")``.

    ``zeta`` and ``drift`` are short for the ``objective`` of a policy that has one. ``folders``
    are searched for ``module:Class`` as by ``policy_class``.

    Raises:
        ValueError: an unknown kind, or an option that the policy does not have or allow
            (pydantic's error is a ValueError).
        ImportError: a plug-in fails while it is created; one line.
    """
    policy = policy_class(kind, folders)
    own = option_names(policy)
    if "objective" in own:
        options = _with_objective(options, own=own)
    if kind in POLICIES:
        return policy(**options)
    require_options(policy, options)
    with foreign_code():
        return policy(**options)


def option_names(policy: type[Policy]) -> set[str]:
    """Return the names of the options of a policy's class.

    Raises:
        ImportError: the class is a plug-in and has no signature; one line.
    """
    return named_parameters(policy)[0].keys() - {"kind"}


def policy_class(kind: str, folders: Sequence[Path] = ()) -> type[Policy]:
    """Return the class of a policy: built-in, installed (entry point), or ``module:Class``.

    A module is searched in ``folders``, then in the working directory, then on Python's path.

    Raises:
        ValueError: the policy does not exist or cannot be imported.
    """
    if kind in POLICIES:
        return POLICIES[kind]
    if ":" in kind or kind in installed(ENTRY_POINTS):
        places = [*folders, Path.cwd()]
        try:
            return load_class(kind, Policy, folders=places, group=ENTRY_POINTS)  # type: ignore[type-abstract]
        except ValueError as error:
            raise ValueError(f"policy {error}") from error
    known = ", ".join([*POLICIES, *sorted(installed(ENTRY_POINTS))])
    raise ValueError(f"unknown policy {kind!r}: allowed are {known}, or 'package.module:ClassName'")


def _with_objective(options: dict[str, Any], own: Iterable[str]) -> dict[str, Any]:
    """Return the options with ``zeta`` and ``drift`` replaced by the objective they describe."""
    terms = {key: options[key] for key in ("zeta", "drift") if key in options and key not in own}
    if not terms:
        return options
    if "objective" in options:
        raise ValueError(f"objective excludes {' and '.join(terms)}; keep one of the two")
    rest = {key: value for key, value in options.items() if key not in terms}
    return rest | {"objective": Objective(**terms)}
