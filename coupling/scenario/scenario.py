"""What a scenario file may say, and what it means."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, cast, final

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from coupling.scenario import file
from coupling.scenario.errors import ScenarioError, explain
from coupling.scenario.tables import (
    CellTable,
    ChannelTable,
    DevicesTable,
    ScenarioTable,
    SchedulerTable,
    TraceTable,
)
from coupling.scenario.tables.protocols import AnyProtocol, plugin
from learner.settings import Codecs, LearnerSettings
from netsim import scheduling
from netsim.parameters import Count, Positive

_DIGEST_VERSION: Final = "2"
"""Version of ``Scenario.digest``; a default that changes needs a new one."""
_PART: Final = "-part"
"""Ending of the name of a table's schema in files that extend others."""


@final
class Scenario(ScenarioTable):
    """A world, a scheduler and a learner: everything that a run depends on."""

    seed: Annotated[int, Field(ge=0, strict=True)]
    """Seed of every random number of the run."""
    rounds: Count
    """Number of rounds T."""
    world_clock: Literal["time", "round"] = "time"
    """Whether positions and channel follow simulated time, or the round number: then rounds of any
    length meet the same world under every policy.
    """
    round_period_s: Positive | None = None
    """World time from one round's start to the next, in seconds; with ``world_clock = "round"``
    only.
    """
    cell: CellTable
    """Edge server and band."""
    devices: DevicesTable
    """Edge devices."""
    channel: ChannelTable
    """Path loss and fading."""
    protocol: AnyProtocol
    """What is sent in a round."""
    scheduler: SchedulerTable
    """Policy, objective and virtual queue."""
    learner: LearnerSettings | None = None
    """What is learned; without this table the network runs alone."""
    trace: TraceTable = TraceTable()
    """What is written."""

    _source: file.ScenarioFile = PrivateAttr(
        default_factory=lambda: file.ScenarioFile(Path("scenario"))
    )

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        self.protocol.check(self.cell, self.channel, self.learner)
        actual = self.protocol.fixed_bits is None
        if actual and self.learner is None:
            raise ValueError("protocol.payload_bit = 'actual' needs a [learner]")
        if actual and self.scheduler.delay_budget_s is None:
            raise ValueError(
                "protocol.payload_bit = 'actual' needs scheduler.delay_budget_s instead of one per bit"
            )
        return self

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if (self.world_clock == "round") != (self.round_period_s is not None):
            raise ValueError("world_clock = 'round' and round_period_s need each other")
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        data = self.learner.data if self.learner else None
        if data and data.share and not data.overlap and data.share * self.devices.count > 1 + 1e-9:
            raise ValueError(
                f"learner.data.share = {data.share} for each of devices.count = {self.devices.count} devices "
                "exceeds the data; at most 1 / count, or overlap = true"
            )
        return self

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, object] | None = None) -> "Scenario":
        """Return the scenario in a TOML file, with some keys set to other values.

        ``overrides`` maps keys such as ``"devices.count"`` to values, as ``--set`` does.

        Raises:
            ScenarioError: anything wrong with the file or the overrides, in one line.
        """
        given = file.read(Path(path))
        for key, value in (overrides or {}).items():
            given.override(key, value)
        given.resolve_paths()
        folders = (Path.cwd(), Path(path).resolve().parent)
        try:
            scenario = cls.model_validate(given.raw, context={"folders": folders})
        except ValidationError as error:
            schema = plugin.add_to_schema(json_schema(), given.raw)
            raise ScenarioError(given.line(*explain(error, given.raw, schema))) from None
        scenario._source = given
        scenario.policy()
        return scenario

    def policy(self) -> scheduling.Policy:
        """Return the scheduling policy.

        Raises: ScenarioError: as ``SchedulerTable.create``, and an option that the policy does not
            have or allow.
        """
        raw = self._source.raw
        try:
            policy = self.scheduler.create()
        except ScenarioError as error:
            raise ScenarioError(self._source.line(("scheduler", "kind"), str(error))) from None
        except ValidationError as error:
            path, text = explain(error, raw, json_schema(), ("scheduler",))
            raise ScenarioError(self._source.line(path, text)) from None
        unfitted = policy.unfitted()
        if unfitted and not self._foreseeable():
            text = (
                f"scheduler.{unfitted[0]} is missing: the best one can be found beforehand only where gains depend on the "
                "round alone (channel.coherence = 'round'; devices at rest or world_clock = 'round') and all "
                "devices are always there"
            )
            raise ScenarioError(self._source.line(("scheduler", "kind"), text))
        return policy

    def _foreseeable(self) -> bool:
        """Return whether the gains of each round are the same whatever the rounds before were
        like.
        """
        correlation_model = self.channel.fading and self.channel.fading.correlation_model()
        still = self.devices.mobility.kind == "static" and not (
            correlation_model and correlation_model.scatterer_speed_mps
        )
        always = self.devices.availability.kind == "always" and self.devices.battery is None
        return (
            always and self.channel.coherence == "round" and (still or self.world_clock == "round")
        )

    def problem(self, key: str, text: str) -> ScenarioError:
        """Return the error that tells the user about the value of a key."""
        return ScenarioError(self._source.line(tuple(key.split(".")), f"{key}: {text}"))

    @property
    def name(self) -> str:
        """Name of the scenario: that of its file, without the ending."""
        return self._source.path.stem

    @property
    def delay_budget_s(self) -> float:
        """Mean delay of a round that (8) allows, in seconds."""
        if self.scheduler.delay_budget_s is not None:
            return self.scheduler.delay_budget_s
        assert self.scheduler.delay_budget_s_per_bit is not None, (
            "validated: exactly one of the two is given"
        )
        assert self.protocol.fixed_bits is not None, (
            "validated: a budget per bit needs a number of bits"
        )
        return self.scheduler.delay_budget_s_per_bit * self.protocol.fixed_bits

    def warnings(self) -> list[str]:
        """Return what is allowed but probably not wanted, a line each."""
        found = []
        if self.scheduler.queue_update == "algorithm1":
            found.append(
                "scheduler.queue_update = 'algorithm1' does not satisfy the mean delay (8) with a descending zeta"
            )
        if self.learner and self.learner.codec != Codecs() and self.protocol.fixed_bits is not None:
            found.append(
                "learner.codec changes what is learned and not protocol.payload_bit, which is given; "
                "'actual' counts the encoded bits"
            )
        return found

    def tables(self) -> dict[str, Any]:
        """Return the resolved scenario, defaults included, as plain tables without nulls."""
        return cast(dict[str, Any], _without_null(self.model_dump(mode="json")))

    def digest(self) -> str:
        """Return a hash of everything that the run depends on.

        Keys at their default count as absent, so a key that a later version adds leaves it as it
        is; a default that changes needs a new ``_DIGEST_VERSION``.
        """
        return _digest(self._chosen())

    def setup_digest(self) -> str:
        """Return the same without the seed: equal for runs that repeat each other in other
        worlds.
        """
        return _digest({key: value for key, value in self._chosen().items() if key != "seed"})

    def _chosen(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        return cast(
            dict[str, Any],
            _with_kinds(
                self.model_dump(mode="json", exclude_defaults=True), self.model_dump(mode="json")
            ),
        )


@cache
def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario that extends no other."""
    return Scenario.model_json_schema()


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files: one that extends another need not have what that
    one has.
    """
    whole = json_schema()
    tables = whole["$defs"]
    top = {key: value for key, value in whole.items() if key != "$defs"}
    part = _partial(top)
    part["properties"]["extends"] = {
        "type": "string",
        "description": "Scenario file over which this one is laid.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "if": {"required": ["extends"]},
        "then": part,
        "else": top,
        "$defs": tables | {f"{name}{_PART}": _partial(table) for name, table in tables.items()},
    }


def _partial(node: Any) -> Any:
    """Return a schema in which no key is required, so that a table may also leave out its
    ``kind``.
    """
    if isinstance(node, list):
        return [_partial(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    part = {
        key: _partial(value)
        for key, value in node.items()
        if key not in ("required", "discriminator")
    }
    if isinstance(node.get("$ref"), str):
        part["$ref"] = f"{node['$ref']}{_PART}"
    if "oneOf" in part:
        part["anyOf"] = part.pop("oneOf")
    return part


def _digest(tables: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps([_DIGEST_VERSION, tables], sort_keys=True).encode()
    ).hexdigest()


def _with_kinds(chosen: object, whole: object) -> object:
    """Return the chosen keys, and the ``kind`` of every table among them, which may be its class's
    default.
    """
    if isinstance(chosen, Mapping) and isinstance(whole, Mapping):
        names = [name for name in whole if name in chosen or name == "kind"]
        return {name: _with_kinds(chosen.get(name, whole[name]), whole[name]) for name in names}
    if isinstance(chosen, list) and isinstance(whole, list):
        return [_with_kinds(*pair) for pair in zip(chosen, whole, strict=True)]
    return chosen


def _without_null(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_null(entry) for key, entry in value.items() if entry is not None}
    return value
