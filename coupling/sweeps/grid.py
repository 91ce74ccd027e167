"""Sweep grid: the runs of every combination of values and seeds."""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario.errors import ScenarioError
from coupling.scenario.file import parse_set
from coupling.scenario.layers import SET
from coupling.scenario.scenario import Scenario
from coupling.sweeps.engines.base import Task

_OPENING: Final = "[{("
_CLOSING: Final = "]})"


@final
@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep, and its values of the varied keys."""

    task: Task
    keys: Mapping[str, Any]
    """The varied keys and their values."""


def plan(
    base: Scenario | Path,
    place: str,
    vary: Mapping[str, Sequence[object]],
    seeds: Sequence[int] | None,
    *,
    settings: Mapping[str, object],
    learning: bool,
) -> list[PlannedRun]:
    """Return the runs of a sweep; without ``seeds`` the scenario's own seed is the only one.

    Raises:
        ScenarioError: a combination is no valid scenario, or two are the same.
    """
    planned: dict[str, PlannedRun] = {}
    for values in itertools.product(*vary.values()):
        keys = dict(zip(vary, values, strict=True))
        for seed in (None,) if seeds is None else seeds:
            own = {} if seed is None else {"seed": seed}
            with named_options({"--vary": keys, "--seeds": own}):
                scenario = variant(base, {**settings, **keys, **own})
            learns = learning and scenario.learner is not None
            task = Task(run_name(scenario, learning=learns), place, scenario, learning=learns)
            if task.name in planned:
                raise ScenarioError(
                    f"--vary: {keys} and {dict(planned[task.name].keys)} are the same run"
                )
            planned[task.name] = PlannedRun(task, keys)
    return list(planned.values())


def variant(base: Scenario | Path, overrides: Mapping[str, object]) -> Scenario:
    """Return a scenario, or that of a file, with the values of some keys replaced.

    Raises:
        ScenarioError: as ``Scenario.load``.
    """
    if isinstance(base, Scenario):
        return base.with_overrides(overrides)
    return Scenario.load(base, overrides)


@contextmanager
def named_options(options: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Name the option that gave a key in the errors about it, in place of ``--set``.

    ``options`` has the keys of every option.

    Raises:
        ScenarioError: the same, with the name.
    """
    try:
        yield
    except ScenarioError as error:
        line = str(error)
        for option, keys in options.items():
            if any(f": {key}" in line or line.startswith(f"{SET} {key}:") for key in keys):
                line = line.replace(f"(from {SET})", f"(from {option})")
                line = option + line.removeprefix(SET) if line.startswith(f"{SET} ") else line
        raise ScenarioError(line) from None


def run_name(scenario: Scenario, *, learning: bool) -> str:
    """Return the name of a run directory: equal for equal runs, and only for those."""
    content = json.dumps([scenario.digest(), learning])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def parse_vary(arguments: Sequence[str]) -> dict[str, list[object]]:
    """Return the values of every key of ``key=a,b,c`` arguments, written as for ``--set``.

    Raises:
        ScenarioError: no ``=``, a value that is not valid, or a key that is given twice.
    """
    values: dict[str, list[object]] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise ScenarioError(f"--vary {argument}: is not key=value,value")
        if key in values:
            raise ScenarioError(f"--vary {argument}: {key} is varied twice")
        try:
            values[key] = [parse_set(f"{key}={value}")[1] for value in _split(text)]
        except ScenarioError as error:
            raise ScenarioError(str(error).replace("--set", "--vary", 1)) from None
        if None in values[key]:
            raise ScenarioError(f"--vary {argument}: a value is missing")
        if key == "seed":
            raise ScenarioError(f"--vary {argument}: use --seeds")
    return values


def _split(text: str) -> list[str]:
    """Return the values between commas; commas in brackets or quotes do not separate values."""
    values = [""]
    depth = 0
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0 and not quote:
            values.append("")
        else:
            values[-1] += character
    return values
