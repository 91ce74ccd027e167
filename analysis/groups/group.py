"""Groups of runs that differ only in the seed; a figure draws one line per group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, final

from analysis.errors import TraceError, suggestion
from analysis.groups.text import display
from analysis.run import Run
from analysis.runs import SHORT, Runs, scenario_value

_POLICY_NAMES: Final = {
    "all_in": "All-in",
    "algorithm1": "Algorithm 1",
    "exact": "exact P1",
    "greedy": "GS",
    "aaba": "AABA",
    "round_robin": "round robin",
    "proportional_fair": "proportional fair",
}
_NAME_LENGTH: Final = 60
"""Longest value in the name of a group, in characters."""


@final
@dataclass(frozen=True)
class Group:
    """Runs of one line in a figure."""

    name: str
    policy: Any
    runs: list[Run]
    place: int
    """Place among all groups."""
    policies: int
    """Number of policies of all groups."""
    member: int
    """Place among the groups of its policy."""
    members: int
    """Number of groups of its policy."""


def groups(runs: Runs, besides: Iterable[str] = (), order: Sequence[str] = ()) -> list[Group]:
    """Return the groups by policy and every key that differs, except the seed and ``besides``.

    Groups whose policy or name stands in ``order`` come first, in that order. The others follow in
    the order of the paper's policies and of the values.

    Raises:
        TraceError: a name in ``order`` is that of no group.
    """
    keys = [
        SHORT["policy"],
        *(key for key in runs.keys.columns if key not in {"policy", "seed", *besides}),
    ]
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run, scenario in zip(runs, runs.scenarios, strict=True):
        members.setdefault(tuple(map(scenario.get, keys)), []).append(run)
    ranked = sorted(members, key=_rank)
    policies = [values[0] for values in ranked]
    unordered = [
        Group(
            name=_name(keys, values),
            policy=values[0],
            runs=sorted(members[values], key=_seed),
            place=place,
            policies=len(set(policies)),
            member=policies[:place].count(values[0]),
            members=policies.count(values[0]),
        )
        for place, values in enumerate(ranked)
    ]
    return _in_order(unordered, order)


def tasks(runs: Runs) -> dict[str, Runs]:
    """Return the runs of each data set, by its name or the name of its folder."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(data_name(run) or "no learning", []).append(run)
    return {name: Runs(group) for name, group in members.items()}


def data_name(run: Run) -> str | None:
    """Return the name of a run's data set, or that of its folder; None without learning."""
    folder = PurePosixPath(str(scenario_value(run, "learner.data.path") or "")).name
    name = scenario_value(run, "learner.data.name") or folder
    return display(name, _NAME_LENGTH) if name else None


def policy_name(policy: Any) -> str:
    """Return the name of a policy in legends: the paper's name if it has one."""
    return _POLICY_NAMES.get(policy) or display(policy, _NAME_LENGTH)


def _name(keys: list[str], values: tuple[Any, ...]) -> str:
    """Return the legend text of a group: its policy, and the other keys with their values."""
    others = [
        f"{key.rsplit('.', 1)[-1]} = {display(entry, _NAME_LENGTH)}"
        for key, entry in zip(keys[1:], values[1:], strict=True)
    ]
    return ", ".join([policy_name(values[0]), *others])


def _seed(run: Run) -> int:
    seed = run.scenario.get("seed")
    return seed if isinstance(seed, int) else 0


def _rank(values: tuple[Any, ...]) -> list[tuple[int, int | float, str]]:
    """Return a sort key: known policies as in the paper, numbers by size, texts by letter."""
    policy, *others = values
    known = list(_POLICY_NAMES)
    place = known.index(policy) if policy in known else len(known)
    return [(place, 0.0, str(policy)), *map(_rank_of_value, others)]


def _rank_of_value(value: Any) -> tuple[int, int | float, str]:
    if isinstance(value, int | float):
        return (0, value, "")
    return (1, 0.0, str(value))


def _in_order(unordered: list[Group], order: Sequence[str]) -> list[Group]:
    known = {name for group in unordered for name in _names(group)}
    for name in order:
        if name not in known:
            policies = dict.fromkeys(str(group.policy) for group in unordered)
            hint = suggestion(name, policies)
            raise TraceError(f"order: there is no policy or group {display(name)!r}; {hint}")

    def rank(group: Group) -> int:
        return next((at for at, name in enumerate(order) if name in _names(group)), len(order))

    return sorted(unordered, key=rank)


def _names(group: Group) -> set[str]:
    return {str(group.policy), policy_name(group.policy), group.name}
