"""The runs of a sweep: every combination of the values, once for every seed."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario.errors import ScenarioError
from coupling.scenario.file import parse_set
from coupling.scenario.scenario import Scenario
from coupling.sweeps.engines.base import Task

_OPENING: Final = "[{("
_CLOSING: Final = "]})"


@final
@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep and what tells it apart from the others."""

    task: Task
    keys: Mapping[str, Any]
    """The varied keys and their values."""


def plan(
    path: Path,
    place: str,
    vary: Mapping[str, Sequence[object]],
    seeds: Sequence[int] | None,
    *,
    settings: Mapping[str, object],
    learning: bool,
) -> list[PlannedRun]:
    """Return the runs; without ``seeds`` the scenario's own is the only one.

    Raises:
        ScenarioError: a combination is no valid scenario, or two are the same.
    """
    planned: dict[str, PlannedRun] = {}
    for values in itertools.product(*vary.values()):
        keys = dict(zip(vary, values, strict=True))
        for seed in (None,) if seeds is None else seeds:
            own = {} if seed is None else {"seed": seed}
            scenario = Scenario.load(path, {**settings, **keys, **own})
            learns = learning and scenario.learner is not None
            task = Task(run_name(scenario, learning=learns), place, scenario, learns)
            if task.name in planned:
                raise ScenarioError(
                    f"--vary: {keys} and {dict(planned[task.name].keys)} are the same run"
                )
            planned[task.name] = PlannedRun(task, keys)
    return list(planned.values())


def run_name(scenario: Scenario, *, learning: bool) -> str:
    """Return the name of a run directory: equal for equal runs, and only for those."""
    content = json.dumps([scenario.digest(), learning])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def parse_vary(arguments: Sequence[str]) -> dict[str, list[object]]:
    """Return the values of every key of ``key=a,b,c`` arguments; values are as those of ``--set``.

    Raises:
        ScenarioError: no ``=``, a value that is none, or a key that was given before.
    """
    found: dict[str, list[object]] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise ScenarioError(f"--vary {argument}: is not key=value,value")
        if key in found:
            raise ScenarioError(f"--vary {argument}: {key} is varied twice")
        try:
            found[key] = [parse_set(f"{key}={value}")[1] for value in _split(text)]
        except ScenarioError as error:
            raise ScenarioError(str(error).replace("--set", "--vary", 1)) from None
        if None in found[key]:
            raise ScenarioError(f"--vary {argument}: a value is missing")
        if key == "seed":
            raise ScenarioError(f"--vary {argument}: use --seeds")
    return found


def _split(text: str) -> list[str]:
    """Return the values between the commas that are in no bracket and no quotes."""
    values, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            depth += (sign in _OPENING) - (sign in _CLOSING)
        if sign == "," and depth == 0 and not quote:
            values.append("")
        else:
            values[-1] += sign
    return values
