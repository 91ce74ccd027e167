"""Provenance of a run: scenario, seed, environment, input files, times, and progress."""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, final

from pydantic import ConfigDict, Field

from coupling.files import atomic, documents
from coupling.run_directory import environment
from coupling.run_directory.input_files import (
    InputFile,
    changed_files,
    input_files,
    with_present_contents,
)
from coupling.run_directory.layout import PROVENANCE
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.scenario.errors import RunError
from coupling.scenario.scenario import Scenario
from learner.base import Learner

State = Literal["running", "finished", "interrupted", "failed"]
_Text = Annotated[str, Field(max_length=4096)]
_Count = Annotated[int, Field(ge=0, le=documents.MAXIMUM_ROUNDS)]
_NotNegative = Annotated[float, Field(ge=0)]


class Facts(documents.Document):
    """Schema of ``provenance.json``: the facts that commands use."""

    model_config = ConfigDict(extra="allow")

    schema_version: _Text | None = Field(None, alias="schema")
    state: State
    wall_s: _NotNegative
    scenario: _Text | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    learning: bool | None = None
    rounds: _Count | None = None
    round: _Count | None = None
    simulated_s: _NotNegative | None = None
    accuracy: float | None = None
    started: _Text | None = None
    ended: _Text | None = None
    commit: _Text | None = None
    error: str | None = None
    parts: dict[str, Annotated[int, Field(ge=0, le=documents.MAXIMUM_PARTS)]] | None = None
    scenario_folder: _Text | None = None
    scenario_sha256: _Text | None = None
    input_files: dict[_Text, InputFile] = Field(default_factory=dict)
    torch_numerics: dict[_Text, _Text] | None = None
    versions: dict[_Text, _Text] | None = None


@final
class _ResumableFacts(Facts):
    """Schema of the ``provenance.json`` of a run that is resumed."""

    scenario_folder: _Text
    scenario_sha256: _Text
    policy: _Text | None
    learning: bool
    round: _Count
    versions: dict[_Text, _Text]
    commit: _Text | None
    torch_threads: Annotated[int, Field(ge=1, le=4096)] | None
    resumed: list[dict[str, Any]]


@final
class _SchemaVersion(documents.Document):
    """Schema of the version number in ``provenance.json``."""

    model_config = ConfigDict(extra="ignore", strict=False, coerce_numbers_to_str=True)

    schema_version: str = Field(SCHEMA_VERSION, alias="schema")


@final
@dataclass(frozen=True)
class RunProgress:
    """Progress of a run."""

    state: State
    round: int
    """Last completed round."""
    simulated_s: float
    """Simulated time at its end, in seconds."""
    parts: Mapping[str, int]
    """Complete parts of each table."""
    error: str | None = None
    """Error line of a run that failed."""
    accuracy: float | None = None
    """Test accuracy of the last evaluation."""


@final
@dataclass(frozen=True)
class Provenance:
    """Content of ``provenance.json``, except the progress of the run."""

    facts: dict[str, Any]
    wall_before_s: float = 0.0
    """Wall-clock seconds of the processes that worked on the run before."""
    began_s: float = field(default_factory=time.perf_counter)
    """Start of this process's work, by a clock that is never set back."""

    @classmethod
    def begin(
        cls, scenario: Scenario, learner: Learner, *, learning: bool, policy: str | None
    ) -> Self:
        """Return the facts of a run that starts now.

        ``policy`` names a policy object that takes the place of the scenario's.
        """
        facts = {
            "schema": SCHEMA_VERSION,
            "scenario": scenario.name,
            "scenario_folder": str(scenario.folder),
            "scenario_sha256": scenario.digest(),
            "setup_sha256": scenario.setup_digest(),
            "seed": scenario.seed,
            "rounds": scenario.rounds,
            "learning": learning,
            "policy": policy,
            "input_files": _input_files(scenario),
            **environment.describe(learner, learning=learning),
            "started": _now(),
            "resumed": [],
        }
        return cls(facts)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the facts of a run directory.

        Raises:
            RunError: the file cannot be read, is damaged, or has another schema version.
        """
        require_schema(folder)
        facts = _read(folder, _ResumableFacts)
        return cls(facts, facts["wall_s"])

    def software_changes(self) -> str | None:
        """Return a line about commit and versions that have changed since the run started.

        None if there is none.
        """
        present = environment.present_software()
        former = environment.software(self.facts["commit"], self.facts["versions"])
        names = [name for name in former if name in present and former[name] != present[name]]
        if not names:
            return None
        before = ", ".join(f"{name} {former[name]}" for name in names)
        after = ", ".join(f"{name} {present[name]}" for name in names)
        return (
            f"started with {before}, resuming with {after}: "
            "results may differ from an uninterrupted run"
        )

    def input_changes(self, scenario: Scenario) -> list[str]:
        """Return the files and directories, named by the scenario, that have changed since.

        One that was other content for some rounds has changed, although it may be as before now.
        Runs that recorded no files have none.
        """
        return changed_files(scenario, self.facts.get("input_files", {}))

    def met_other_inputs(self) -> list[str]:
        """Return the files and directories that had other content in rounds after a resume."""
        entries = self.facts.get("input_files", {}).values()
        return [entry["path"] for entry in entries if entry.get("later_sha256")]

    def resumed(self, scenario: Scenario, learner: Learner, *, again: bool) -> "Provenance":
        """Return the facts of a run that is resumed now, or begins ``again`` at its first round."""
        if again:
            files = _input_files(scenario)
        else:
            files = with_present_contents(scenario, self.facts.get("input_files", {}))
        entry = {"at": _now(), **environment.describe(learner, learning=self.facts["learning"])}
        return replace(
            self,
            facts=self.facts | {"input_files": files, "resumed": [*self.facts["resumed"], entry]},
        )

    def write(self, folder: Path, progress: RunProgress) -> None:
        """Write ``provenance.json``, complete or not at all."""
        document = self.facts | {
            **vars(progress),
            "ended": None if progress.state == "running" else _now(),
            "wall_s": self.wall_before_s + time.perf_counter() - self.began_s,
        }
        atomic.write(folder / PROVENANCE, json.dumps(document, indent=2) + "\n")


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the content of the ``provenance.json`` of a run directory of any schema version.

    Raises:
        RunError: the file cannot be read or is damaged.
    """
    return _read(folder, Facts)


def parse_facts(content: str) -> dict[str, Any]:
    """Return the content of a ``provenance.json`` that was read elsewhere.

    Raises:
        DocumentError: it is damaged.
    """
    return _plain(documents.parse_document(content, Facts))


def require_schema(folder: Path) -> None:
    """Make sure that a run directory has this schema version; nothing where no version is given.

    Raises:
        RunError: it has another one.
    """
    path = folder / PROVENANCE
    with contextlib.suppress(documents.DocumentError):
        facts = documents.read_document(path, _SchemaVersion)
        if facts.schema_version != SCHEMA_VERSION:
            raise _other_schema(path, facts.schema_version)


def _read(folder: Path, model: type[Facts]) -> dict[str, Any]:
    try:
        return _plain(documents.read_document(folder / PROVENANCE, model))
    except documents.DocumentError as error:
        raise RunError(f"{folder / PROVENANCE}: cannot be read or is damaged: {error}") from None


def _plain(facts: Facts) -> dict[str, Any]:
    return facts.model_dump(by_alias=True, exclude_unset=True)


def _other_schema(path: Path, schema: object) -> RunError:
    return RunError(
        f"{path}: has schema {schema}, and this version of airtune continues runs of schema "
        f"{SCHEMA_VERSION}; run the scenario anew"
    )


def _input_files(scenario: Scenario) -> dict[str, dict[str, Any]]:
    return {
        key: entry.model_dump(exclude_defaults=True) for key, entry in input_files(scenario).items()
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
