"""Stages of the reproduction: sweeps of scenarios, as ``stages.toml`` lists them."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

from pydantic import BaseModel, ConfigDict

Scale: TypeAlias = Literal["cpu", "full"]
FILE: Final = Path(__file__).parent / "stages.toml"
POLICY: Final = "scheduler.kind"


class _StageTable(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@final
class StageSweep(_StageTable):
    """One variant of a stage: its own settings, seeds and values."""

    set: dict[str, Any] = {}
    """Keys of the scenario that the variant sets."""
    scenario: str | None = None
    """The scenario file, if it differs from the stage's."""
    vary: dict[str, list[Any]] | None = None
    """Values of keys; every combination is run. By default those of the stage."""
    seeds: dict[Scale, str] | None = None
    """Seeds at each scale, as ``first:end``; by default those of the stage."""


@final
class Stage(_StageTable):
    """Sweeps that answer one question together."""

    title: str
    """The question."""
    scenario: str
    """The scenario file."""
    learning: bool = False
    """Whether the runs learn; otherwise the network runs alone."""
    equal_delay: bool = False
    """Whether ``airtune compare`` scales budgets to the mean delay of the first policy."""
    equal_cost: list[str] = []
    """Variants whose cheapest run of a seed sets the costs at which accuracies are compared."""
    settings: list[str] = []
    """Names of settings that apply to all variants, in this order."""
    seeds: dict[Scale, str]
    """Seeds at each scale, as ``first:end``."""
    vary: dict[str, list[Any]] = {}
    """Values of keys; every combination is run."""
    variants: dict[str, StageSweep]
    """The sweeps by their names."""


@final
class Setting(_StageTable):
    """Keys that several stages set: per scale, and for a local copy of the data."""

    cpu: dict[str, Any] = {}
    full: dict[str, Any] = {}
    local: dict[str, Any] = {}
    """Keys that are set if a folder with data is given; ``{data}`` stands for that folder."""


@final
class StagePlan(_StageTable):
    """Contents of ``stages.toml``."""

    settings: dict[str, Setting]
    stages: dict[str, Stage]


@final
@dataclass(frozen=True)
class Command:
    """One call of airtune, and the folder of its runs."""

    stage: str
    variant: str
    arguments: tuple[str, ...]
    folder: Path


def read(path: Path = FILE) -> StagePlan:
    """Return the stages of a file."""
    return StagePlan.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def settings_of(
    plan: StagePlan, name: str, variant: str, *, scale: Scale, data: str | None
) -> dict[str, Any]:
    """Return the keys that a variant of a stage sets; a later setting replaces an earlier one."""
    stage = plan.stages[name]
    keys: dict[str, Any] = {}
    for setting in (plan.settings[given] for given in stage.settings):
        keys |= setting.cpu if scale == "cpu" else setting.full
        if data is not None:
            keys |= {key: _placed(value, data) for key, value in setting.local.items()}
    return keys | stage.variants[variant].set


def commands(
    plan: StagePlan, name: str, scale: Scale, *, runs: Path, data: str | None, jobs: int
) -> list[Command]:
    """Return the calls of airtune that run a stage, one per variant."""
    stage = plan.stages[name]
    calls = []
    for variant, sweep in stage.variants.items():
        folder = runs / scale / name / variant
        vary = dict(stage.vary if sweep.vary is None else sweep.vary)
        arguments = ["compare" if stage.equal_delay else "sweep", sweep.scenario or stage.scenario]
        if stage.equal_delay:
            arguments += ["--equal-delay", "--policies", ",".join(vary.pop(POLICY))]
        for key, values in vary.items():
            arguments += ["--vary", f"{key}={','.join(map(toml, values))}"]
        for key, entry in settings_of(plan, name, variant, scale=scale, data=data).items():
            arguments += ["--set", f"{key}={toml(entry)}"]
        arguments += ["--seeds", (sweep.seeds or stage.seeds)[scale], "--out", str(folder)]
        arguments += [] if stage.learning else ["--no-learning"]
        arguments += [] if stage.equal_delay else ["--jobs", str(jobs)]
        calls.append(Command(name, variant, arguments=tuple(arguments), folder=folder))
    return calls


def toml(value: object) -> str:
    """Return a value as TOML on one line; a bare word needs no quotes on a command line."""
    match value:
        case Mapping():
            return "{" + ",".join(f"{key}={_quoted(entry)}" for key, entry in value.items()) + "}"
        case str() if value.replace("_", "").isalnum():
            return value
        case _:
            return _quoted(value)


def _quoted(value: object) -> str:
    match value:
        case Mapping():
            return toml(value)
        case list() | tuple():
            return "[" + ",".join(map(_quoted, value)) + "]"
        case _:
            return json.dumps(value)


def _placed(value: Any, data: str) -> Any:
    match value:
        case Mapping():
            return {key: _placed(entry, data) for key, entry in value.items()}
        case str():
            return value.replace("{data}", data)
        case _:
            return value
