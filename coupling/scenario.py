"""What a scenario file may say, and what it means."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError, model_validator

from coupling import source
from coupling.problems import ScenarioError, describe, unknown
from learner.settings import LearnerSettings
from netsim import scheduling
from netsim.compute import DeviceCompute, ServerCompute
from netsim.course import Outage
from netsim.fading import AnyFading
from netsim.knowledge import AnyKnowledge, Perfect
from netsim.mobility import AnyMobility, Static
from netsim.parameters import CONFIG, Bits, Count, NonNegative, Point, Positive, Switch
from netsim.pathloss import AnyPathLoss
from netsim.placement import AnyPlacement
from netsim.queues import QueueUpdate
from netsim.recorded import Recording


class Table(BaseModel):
    """A table of a scenario file."""

    model_config = ConfigDict(**CONFIG, frozen=True)


@final
class Cell(Table):
    """The edge server and its band."""

    position_m: Point = (0.0, 0.0)
    """Position of the edge server, x and y in metres."""
    bandwidth_hz: Positive
    """Uplink bandwidth B that the scheduled devices share, in Hz."""
    noise_psd_w_per_hz: Positive
    """Power spectral density of the noise, sigma^2 of (5), in W/Hz."""
    downlink_bandwidth_hz: Positive | None = None
    """Downlink bandwidth in Hz, apart from the uplink (FDD); needed by ``phased``."""
    server_tx_power_w: Positive | None = None
    """Transmit power of the server in W, spread evenly over the downlink; needed by ``phased``."""
    compute: ServerCompute | None = None
    """How fast the server computes; by default its steps take no time."""


@final
class Devices(Table):
    """The edge devices."""

    count: Count
    """Number of devices K."""
    tx_power_w: Positive = 1.0
    """Transmit power of a device in W; the paper has none, its ``|h|^2`` carries 1 W."""
    placement: AnyPlacement
    """Where the devices stand at time 0."""
    mobility: AnyMobility = Static()
    """How they move."""
    compute: DeviceCompute | None = None
    """How fast a device computes; by default its steps take no time."""


@final
class Channel(Table):
    """What happens to the power on its way."""

    path_loss: AnyPathLoss | None = None
    """Mean power gain over the distance."""
    fading: AnyFading | None = None
    """Random factor on the power gain in each channel block."""
    gains: Recording | None = None
    """Recorded gains, path loss and fading together; excludes ``path_loss`` and ``fading``."""
    coherence: Literal["round"] | Positive = "round"
    """How long a channel block lasts, in seconds; ``round``: one draw for every round, as in the paper."""

    @model_validator(mode="after")
    def _one_world(self) -> Self:
        if self.gains is not None and (self.path_loss is not None or self.fading is not None):
            raise ValueError("gains excludes path_loss and fading; keep the recording or the models")
        if self.gains is None and (self.path_loss is None or self.fading is None):
            raise ValueError("needs path_loss and fading, or gains")
        return self


@final
class Aggregate(Table):
    """Each scheduled device sends its payload once at its uplink rate, (7) of the paper."""

    kind: Literal["aggregate"] = "aggregate"
    payload_bit: Bits | Literal["actual"]
    """Bits mu that a scheduled device sends in a round, embedding, feature and gradient together; ``actual``: those
    that the learner's payloads have."""

    @property
    def fixed_bits(self) -> float | None:
        """Bits of a device in a round; None where they are the learner's."""
        return None if self.payload_bit == "actual" else self.payload_bit


@final
class Legs(Table):
    """Bits of each leg of the split step."""

    embedding: Bits
    """Uplink, device to server, in bit."""
    feature: Bits
    """Downlink, server to device, in bit."""
    gradient: Bits
    """Uplink, device to server, in bit."""


@final
class Operations(Table):
    """Operations of each step for one device in one round; they take time where a speed is given."""

    embed: NonNegative = 0.0
    """On the device, before the embedding is sent."""
    encode: NonNegative = 0.0
    """On the server, when the embedding has arrived."""
    head: NonNegative = 0.0
    """On the device, forward and backward through its head, when the feature has arrived."""
    backward: NonNegative = 0.0
    """On the server, when all devices have ended, for each gradient that arrived."""


@final
class Phased(Table):
    """Three legs in time, embedding up, feature down, gradient up: transfers over a channel that may change."""

    kind: Literal["phased"]
    payload_bit: Legs | Literal["actual"]
    """Bits of each leg; ``actual``: those that the learner's payloads have."""
    outage: Outage | None = None
    """What happens where the gain is too low to be received; by default any gain is."""
    reallocate: Switch = False
    """Whether the share of a device that has ended goes to the others."""
    deadline_s: Positive | None = None
    """Time after a round's start at which all its transfers end, delivered or not; by default none."""
    operations: Operations = Operations()
    """Operations of each step."""

    @property
    def fixed_bits(self) -> float | None:
        """Bits of a device in a round, all legs together; None where they are the learner's."""
        bits = self.payload_bit
        return None if bits == "actual" else bits.embedding + bits.feature + bits.gradient


def _add_policy_options(schema: dict[str, Any]) -> None:
    """Put the built-in policies' own options into the schema of the ``[scheduler]`` table, with whose they are."""
    for kind, policy in scheduling.POLICIES.items():
        own = TypeAdapter(policy).json_schema()
        for name, option in own["properties"].items():
            if name in schema["properties"] and "policies" not in schema["properties"][name]:
                continue
            known = schema["properties"].setdefault(name, option | {"policies": []})
            known["policies"].append(kind)


@final
class Scheduler(Table):
    """Who takes part in a round; a policy's own options stand beside these keys."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_add_policy_options)

    kind: Annotated[str, Field(min_length=1)]
    """Name of the policy: a built-in one, one that an installed package offers, or ``package.module:ClassName``."""
    delay_budget_s: Positive | None = None
    """Mean delay of a round that (8) allows, in seconds. Excludes ``delay_budget_s_per_bit``."""
    delay_budget_s_per_bit: Positive | None = None
    """The same per bit of payload, in s/bit. Excludes ``delay_budget_s``."""
    zeta: scheduling.AnyZeta = scheduling.InverseSqrt()
    """Control parameter zeta(t) of the objective (22), without unit."""
    drift: scheduling.Drift = "paper"
    """Whether the objective drops the squared delay (``paper``, Lemma 2) or keeps it (``full``)."""
    queue_update: QueueUpdate = "eq18"
    """Update of the virtual queue: (18a), or line 19 of Algorithm 1, which multiplies by zeta(t)."""
    knowledge: AnyKnowledge = Perfect()
    """What the server knows of the gains when it decides; the transfers always run on the true ones."""
    diagnose: Switch | Literal["devices"] = False
    """Whether each round is compared with the optimum of P1, and with ``devices`` what each device left out would
    have changed."""
    queue_initial_budgets: NonNegative = 0.0
    """Virtual queue before the first round, in delay budgets; the paper starts at 0."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.delay_budget_s is not None and self.delay_budget_s_per_bit is not None:
            raise ValueError("delay_budget_s and delay_budget_s_per_bit exclude each other; keep one")
        if self.delay_budget_s is None and self.delay_budget_s_per_bit is None:
            raise ValueError("needs delay_budget_s or delay_budget_s_per_bit")
        return self

    @cached_property
    def objective(self) -> scheduling.Objective:
        """The objective J of problem P1 with this table's zeta and drift."""
        return scheduling.Objective(zeta=self.zeta, drift=self.drift)

    def create(self) -> scheduling.Policy:
        """Return the policy.

        Raises:
            ScenarioError: an unknown kind, or a queue update that needs a zeta where the policy has none.
            ValidationError: an option that the policy does not have, or a value that it does not allow.
        """
        own = set(inspect.signature(self._policy_class()).parameters)
        if self.queue_update == "algorithm1" and "zeta" not in own:
            raise ScenarioError(
                f"scheduler.queue_update = 'algorithm1' needs a policy with a zeta, which {self.kind!r} has not"
            )
        shared = {"zeta": self.zeta, "drift": self.drift}
        options = {key: value for key, value in shared.items() if key in own} | (self.model_extra or {})
        try:
            return scheduling.create(self.kind, **options)
        except TypeError as error:
            raise ScenarioError(f"scheduler.kind = {self.kind!r} cannot be created: {error}") from None

    def _policy_class(self) -> type[scheduling.Policy]:
        try:
            return scheduling.policy_class(self.kind)
        except ValueError as error:
            if ":" in self.kind:
                raise ScenarioError(f"scheduler.kind: {error}") from None
            raise ScenarioError(unknown("scheduler.kind", self.kind, list(scheduling.POLICIES))) from None


@final
class Trace(Table):
    """What the run directory holds."""

    devices: Literal["all", "scheduled"] = "all"
    """Rows of the ``devices`` table: every device in every round, or the scheduled ones only."""
    checkpoint_every: Count | None = None
    """Rounds from one saved state to the next; without it the state is saved only when the run is interrupted."""


@final
class Scenario(Table):
    """A world, a scheduler and a learner: everything that a run depends on."""

    seed: Annotated[int, Field(ge=0, strict=True)]
    """Seed of every random number of the run."""
    rounds: Count
    """Number of rounds T."""
    world_clock: Literal["time", "round"] = "time"
    """Whether positions and channel follow simulated time, or the round number: then rounds of any length meet the
    same world under every policy."""
    round_period_s: Positive | None = None
    """World time from one round's start to the next, in seconds; with ``world_clock = "round"`` only."""
    cell: Cell
    """Edge server and band."""
    devices: Devices
    """Edge devices."""
    channel: Channel
    """Path loss and fading."""
    protocol: Annotated[Aggregate | Phased, Field(discriminator="kind")]
    """What is sent in a round."""
    scheduler: Scheduler
    """Policy, objective and virtual queue."""
    learner: LearnerSettings | None = None
    """What is learned; without this table the network runs alone."""
    trace: Trace = Trace()
    """What is written."""

    _source: source.Source = PrivateAttr(default_factory=lambda: source.Source(Path("scenario")))

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        kind, actual = self.protocol.kind, self.protocol.fixed_bits is None
        if kind == "aggregate" and self.channel.coherence != "round":
            raise ValueError("protocol.kind = 'aggregate' needs channel.coherence = 'round'")
        if kind == "phased" and (
            self.cell.downlink_bandwidth_hz is None or self.cell.server_tx_power_w is None
        ):
            raise ValueError(
                "protocol.kind = 'phased' needs cell.downlink_bandwidth_hz and cell.server_tx_power_w"
            )
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
        given = source.read(Path(path))
        for key, value in (overrides or {}).items():
            given.override(key, value)
        given.resolve_paths()
        try:
            scenario = cls.model_validate(given.raw)
        except ValidationError as error:
            raise ScenarioError(given.line(*describe(error, given.raw, json_schema()))) from None
        scenario._source = given
        scenario.policy()
        return scenario

    def policy(self) -> scheduling.Policy:
        """Return the scheduling policy.

        Raises:
            ScenarioError: as ``Scheduler.create``, and an option that the policy does not have or allow.
        """
        raw = self._source.raw
        try:
            return self.scheduler.create()
        except ScenarioError as error:
            raise ScenarioError(self._source.line(("scheduler", "kind"), str(error))) from None
        except ValidationError as error:
            path, text = describe(error, raw, json_schema(), ("scheduler",))
            raise ScenarioError(self._source.line(path, text)) from None

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
        assert self.scheduler.delay_budget_s_per_bit is not None, "validated: exactly one of the two is given"
        assert self.protocol.fixed_bits is not None, "validated: a budget per bit needs a number of bits"
        return self.scheduler.delay_budget_s_per_bit * self.protocol.fixed_bits

    def warnings(self) -> list[str]:
        """Return what is allowed but probably not wanted, a line each."""
        if self.scheduler.queue_update == "algorithm1":
            return [
                "scheduler.queue_update = 'algorithm1' does not satisfy the mean delay (8) with a descending zeta"
            ]
        return []

    def tables(self) -> dict[str, Any]:
        """Return the resolved scenario, defaults included, as plain tables without nulls."""
        return cast(dict[str, Any], _without_null(self.model_dump(mode="json")))

    def digest(self) -> str:
        """Return a hash of everything that the run depends on."""
        return hashlib.sha256(json.dumps(self.tables(), sort_keys=True).encode()).hexdigest()


@cache
def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files."""
    return Scenario.model_json_schema()


def _without_null(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_null(entry) for key, entry in value.items() if entry is not None}
    return value
