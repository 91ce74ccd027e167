"""Scenario: the validated content of a scenario file."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, SupportsIndex, cast, final

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from typing_extensions import override

from coupling.scenario import digest as digests
from coupling.scenario import file, layers, plugins
from coupling.scenario.display import scenario_html
from coupling.scenario.ending import Ending
from coupling.scenario.errors import KeyPath, ScenarioError, explain
from coupling.scenario.json_schema import DescribedJsonSchema
from coupling.scenario.tables import (
    CellTable,
    ChannelTable,
    DevicesTable,
    ScenarioTable,
    SchedulerTable,
    TraceTable,
)
from coupling.scenario.tables.protocols import AnyProtocol
from learner.settings import Codecs, LearnerSettings
from netsim import scheduling
from netsim.channel.pathloss import Tr38901
from netsim.parameters import Count, Positive, source


@final
class Scenario(ScenarioTable):
    """Scenario: the world, the scheduler and the learner that a run depends on."""

    seed: Annotated[int, Field(ge=0, lt=2**128, strict=True)]
    """Seed of every random number of the run."""
    rounds: Annotated[Count, source("paper, section V-A")]
    """Number of rounds T; with ``until_s`` or ``until_accuracy`` the maximum number."""
    until_s: Positive | None = None
    """Simulated time at which the run ends, if that is before ``rounds``: the round that reaches it
    is the last, and is evaluated.
    """
    until_accuracy: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None
    """Test accuracy at which the run ends, if that is before ``rounds`` and ``until_s``: the round
    whose evaluation reaches it is the last. Evaluations come every ``learner.evaluate_every``
    rounds; without learning the run never reaches it. Needs ``[learner]``.
    """
    world_clock: Literal["time", "round"] = "time"
    """Clock of positions and channel: simulated time, or the round number; with ``round``, rounds
    of any length meet the same world under every policy.
    """
    round_period_s: Positive | None = None
    """World time between the starts of two rounds, in seconds; needs ``world_clock = "round"``."""
    cell: CellTable
    """Edge server and band."""
    devices: DevicesTable
    """Edge devices."""
    channel: ChannelTable
    """Path loss and fading."""
    protocol: AnyProtocol
    """Transfers of a round, and their sizes."""
    scheduler: SchedulerTable
    """Policy, objective and virtual queue."""
    learner: LearnerSettings | None = None
    """Model, data and optimizer; without this table the network runs alone."""
    trace: TraceTable = TraceTable()
    """Tables and checkpoints of the run directory."""

    _source: layers.ScenarioFile = PrivateAttr(
        default_factory=lambda: layers.ScenarioFile(Path("scenario"))
    )

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        self.protocol.check(self.cell, self.channel, self.learner)
        actual = self.protocol.fixed_bits is None
        if actual and self.learner is None:
            raise ValueError("protocol.payload_bit = 'actual' needs a [learner]")
        if actual and self.scheduler.delay_budget_s is None:
            raise ValueError(
                "protocol.payload_bit = 'actual' needs scheduler.delay_budget_s, "
                "not scheduler.delay_budget_s_per_bit"
            )
        return self

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if (self.world_clock == "round") != (self.round_period_s is not None):
            raise ValueError("world_clock = 'round' and round_period_s need each other")
        return self

    @model_validator(mode="after")
    def _accuracy_is_measured(self) -> Self:
        if self.until_accuracy is not None and self.learner is None:
            raise ValueError("until_accuracy needs a [learner], which is evaluated")
        return self

    @model_validator(mode="after")
    def _heights_fit(self) -> Self:
        if isinstance(self.channel.path_loss, Tr38901) and not self.flat:
            raise ValueError(
                "channel.path_loss.kind = 'tr38901' has its own server_height_m and "
                "device_height_m; leave cell.height_m and devices.height_m out"
            )
        return self

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        if self.devices.power_control is not None:
            if self.cell.resource_block_hz is None:
                raise ValueError(
                    "devices.power_control sets the power per resource block; "
                    "it needs cell.resource_block_hz"
                )
            if self.channel.path_loss is None:
                raise ValueError(
                    "devices.power_control needs channel.path_loss, which it compensates; "
                    "recorded gains do not have it apart"
                )
        if self.cell.resource_block_hz is not None and getattr(self.protocol, "reallocate", False):
            raise ValueError(
                "protocol.reallocate divides released bandwidth at will; "
                "it does not go with cell.resource_block_hz"
            )
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        data = self.learner.data if self.learner else None
        if data and data.share and not data.overlap and data.share * self.devices.count > 1 + 1e-9:
            raise ValueError(
                f"learner.data.share = {data.share} for each of devices.count = "
                f"{self.devices.count} devices exceeds the data; at most 1 / count, "
                "or overlap = true"
            )
        return self

    @classmethod
    def load(
        cls,
        path: str | Path,
        overrides: Mapping[str, object] | None = None,
        *,
        folders: Sequence[Path] | None = None,
        imports_plugins: bool = True,
    ) -> "Scenario":
        """Return the scenario of a TOML file, with the values of some keys replaced.

        ``overrides`` maps keys such as ``"devices.count"`` to values, as ``--set`` does. Plug-ins
        are found beside the file, or else in ``folders`` if they are given, in the working
        directory, and in installed packages. Without
        ``imports_plugins`` the code that the scenario names is not imported, and the tables of
        plug-ins are not checked; such a scenario cannot be run if ``plugins()`` names any.

        Raises:
            ScenarioError: any fault of the file or the overrides, in one line.
        """
        source = file.read(Path(path))
        if folders is not None:
            source.plugin_folders = (*folders, Path.cwd())
        source.imports_plugins = imports_plugins
        return cls._from_file(source, overrides or {})

    def with_overrides(self, overrides: Mapping[str, object]) -> "Scenario":
        """Return the scenario with the values of some keys replaced, as ``load`` does.

        Raises:
            ScenarioError: any fault of the overrides, in one line.
        """
        return self._from_file(deepcopy(self._source), overrides)

    @classmethod
    def _from_file(cls, source: layers.ScenarioFile, overrides: Mapping[str, object]) -> "Scenario":
        for key, value in overrides.items():
            source.override(key, value)
        source.refuse_renamed_keys()
        source.resolve_paths()
        try:
            context = {"folders": source.plugin_folders, "plugins": source.imports_plugins}
            scenario = cls.model_validate(source.raw, context=context)
        except ValidationError as error:
            schema = json_schema()
            if source.imports_plugins:
                schema = plugins.with_tables(schema, source.raw, source.plugin_folders)
            raise ScenarioError(source.line(*explain(error, source.raw, schema))) from None
        scenario._source = source
        if source.imports_plugins or not scenario.plugins():
            scenario.policy()
        elif scenario.scheduler.kind in scheduling.POLICIES:
            scenario._created_policy()
        return scenario

    def plugins(self) -> list[tuple[KeyPath, str]]:
        """Return key and name of each plug-in that the scenario names."""
        return list(plugins.named(self._source.raw))

    def require_loaded(self, place: str, *, except_for: Sequence[KeyPath] = ()) -> None:
        """Make sure that no plug-in has been left out.

        Raises:
            ScenarioError: the scenario at ``place`` names code that was not imported; the tables
                ``except_for`` do not count.
        """
        missing = [
            (path, name)
            for path, name in ([] if self._source.imports_plugins else self.plugins())
            if not any(path[: len(table)] == table for table in except_for)
        ]
        if missing:
            raise ScenarioError(
                f"{place}: names code, which is imported with --plugins only: "
                f"{plugins.listed(missing)}"
            )

    @override
    def __reduce_ex__(self, version: SupportsIndex) -> str | tuple[Any, ...]:
        if not self.plugins():
            return super().__reduce_ex__(version)
        # The process that reads this cannot import the plug-in by its module's name alone.
        return Scenario._from_file, (self._source, {})

    def policy(self) -> scheduling.Policy:
        """Return the scheduling policy.

        Raises:
            ScenarioError: as ``SchedulerTable.create``, and an option that the policy does not
                have or allow.
        """
        policy = self._created_policy()
        unfitted = policy.unfitted()
        if unfitted and not self._foreseeable():
            text = (
                f"scheduler.{unfitted[0]} is missing: the best one is known beforehand only if the "
                "gains depend on the round alone (channel.coherence = 'round'; devices at rest or "
                "world_clock = 'round'), all devices are always available, and nothing ends the "
                "run before `rounds`; "
                f"set scheduler.{unfitted[0]}"
            )
            raise ScenarioError(self._source.line(("scheduler", "kind"), text))
        return policy

    def _created_policy(self) -> scheduling.Policy:
        try:
            return self.scheduler.create(self._source.plugin_folders)
        except ScenarioError as error:
            raise ScenarioError(self._source.line(("scheduler", "kind"), str(error))) from None
        except ValidationError as error:
            raw = self._source.raw
            schema = plugins.with_tables(json_schema(), raw, self.plugin_folders)
            path, text = explain(error, raw, schema, prefix=("scheduler",))
            raise ScenarioError(self._source.line(path, text)) from None

    def _foreseeable(self) -> bool:
        """Return whether the gains of each round do not depend on the earlier rounds."""
        devices = self.devices
        channel = self.channel
        correlation_model = channel.fading and channel.fading.correlation_model()
        still = devices.mobility.kind == "static" and not (
            correlation_model and correlation_model.scatterer_speed_mps
        )
        always = devices.availability.kind == "always" and devices.battery is None
        fixed = self.ending.is_fixed and (still or self.world_clock == "round")
        return always and channel.coherence == "round" and fixed

    def problem(self, key: str, text: str) -> ScenarioError:
        """Return the error that reports a fault of a key's value."""
        return ScenarioError(self._source.line(tuple(key.split(".")), f"{key}: {text}"))

    @property
    def flat(self) -> bool:
        """Whether server and devices are all at height 0, so that positions have two axes."""
        return not self.cell.height_m and self.devices.height_m in (0.0, (0.0, 0.0))

    @property
    def source(self) -> layers.ScenarioFile:
        """The scenario as its file and the overrides give it, with the origin of every key."""
        return self._source

    @property
    def name(self) -> str:
        """Name of the scenario: that of its file, without the ending."""
        return self._source.path.stem

    @property
    def plugin_folders(self) -> tuple[Path, ...]:
        """Folders in which plug-ins are looked for, before Python's path."""
        return self._source.plugin_folders

    @property
    def folder(self) -> Path:
        """Folder of the scenario file, in which plug-ins are found."""
        return self._source.plugin_folders[0]

    @property
    def ending(self) -> Ending:
        """Goals of which the first ends the run."""
        return Ending(self.rounds, self.until_s, self.until_accuracy)

    @property
    def delay_budget_s(self) -> float:
        """Maximum mean delay per round, constraint (8), in seconds."""
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
        """Return the warnings: one line per setting that is allowed but probably a mistake."""
        lines = []
        if self.scheduler.queue_update == "algorithm1":
            lines.append(
                "scheduler.queue_update = 'algorithm1' does not keep the mean delay (8) "
                "if zeta decreases; use 'eq18'"
            )
        if self.learner and self.learner.codec != Codecs() and self.protocol.fixed_bits is not None:
            lines.append(
                "learner.codec changes the training but not protocol.payload_bit, which is fixed; "
                "'actual' counts the encoded bits"
            )
        return lines

    def tables(self) -> dict[str, Any]:
        """Return the resolved scenario, defaults included, as plain tables without nulls."""
        return cast(dict[str, Any], digests.without_null(self.model_dump(mode="json")))

    def _repr_html_(self) -> str:
        return scenario_html(self.name, self.tables())

    def digest(self) -> str:
        """Return the hash of all settings that the run depends on.

        Keys at their default count as absent, so a key that a later version adds leaves the
        hash as it is; a default that changes needs a new ``DIGEST_VERSION``.
        """
        return digests.digest(self._non_default_settings())

    def setup_digest(self) -> str:
        """Return the hash without the seed: equal for repetitions of a run with other seeds."""
        settings = self._non_default_settings()
        return digests.digest({key: value for key, value in settings.items() if key != "seed"})

    def _non_default_settings(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        return cast(dict[str, Any], digests.with_kinds(chosen, self.model_dump(mode="json")))


@cache
def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario that extends no other."""
    return Scenario.model_json_schema(schema_generator=DescribedJsonSchema)
