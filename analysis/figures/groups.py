"""Groups of runs that differ only in the seed; a figure draws one line per group."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from analysis.figures import style
from analysis.run import Run
from analysis.runs import SHORT, Runs


@final
@dataclass(frozen=True)
class Group:
    """Runs of one line in a figure."""

    name: str
    policy: Any
    runs: list[Run]
    line_style: dict[str, Any]


def groups(runs: Runs, besides: Iterable[str] = ()) -> list[Group]:
    """Return the groups by policy and every key that differs, except the seed and ``besides``."""
    keys = [
        SHORT["policy"],
        *(key for key in runs.keys.columns if key not in {"policy", "seed", *besides}),
    ]
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run, scenario in zip(runs, runs.scenarios, strict=True):
        members.setdefault(tuple(map(scenario.get, keys)), []).append(run)
    policies = [values[0] for values in members]
    return [
        Group(
            name=_name(keys, values),
            policy=values[0],
            runs=group,
            line_style=style.line_style(values, place, alone=policies.count(values[0]) == 1),
        )
        for place, (values, group) in enumerate(members.items())
    ]


def tasks(runs: Runs) -> dict[str, Runs]:
    """Return the runs of each data set, by its name or the name of its folder."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        data = run.scenario.get("learner", {}).get("data", {})
        name = data.get("name") or Path(data.get("path", "no learning")).name
        members.setdefault(str(name), []).append(run)
    return {name: Runs(group) for name, group in members.items()}


def _name(keys: list[str], values: tuple[Any, ...]) -> str:
    """Return the legend text of a group: its policy, and the other keys with their values."""
    others = [
        f"{key.rsplit('.', 1)[-1]} = {entry}"
        for key, entry in zip(keys[1:], values[1:], strict=True)
    ]
    return ", ".join([style.label(values[0]), *others])
