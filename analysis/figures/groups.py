"""Runs that belong together in a figure: everything but the seed is the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from analysis.figures import style
from analysis.run_directory import Run
from analysis.runs import SHORT, Runs


@final
@dataclass(frozen=True)
class Group:
    """The runs of one line in a figure."""

    name: str
    policy: Any
    runs: list[Run]
    look: dict[str, Any]


def groups(runs: Runs, besides: Iterable[str] = ()) -> list[Group]:
    """Return runs by policy and by every key in which they differ, but the seed and the keys
    ``besides``.
    """
    keys = [
        SHORT["policy"],
        *(key for key in runs.keys.columns if key not in {"policy", "seed", *besides}),
    ]
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run, scenario in zip(runs, runs.scenarios, strict=True):
        found.setdefault(tuple(map(scenario.get, keys)), []).append(run)
    policies = [group[0] for group in found]
    return [
        Group(
            name=", ".join(
                [style.label(group[0])]
                + [
                    f"{key.rsplit('.', 1)[-1]} = {entry}"
                    for key, entry in zip(keys[1:], group[1:], strict=True)
                ]
            ),
            policy=group[0],
            runs=members,
            look=style.look(group, place, policies.count(group[0]) == 1),
        )
        for place, (group, members) in enumerate(found.items())
    ]


def tasks(runs: Runs) -> dict[str, Runs]:
    """Return the runs of each data set, by its name or that of its folder."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        data = run.scenario.get("learner", {}).get("data", {})
        name = data.get("name") or Path(data.get("path", "no learning")).name
        found.setdefault(str(name), []).append(run)
    return {name: Runs(members) for name, members in found.items()}
