"""The split step with its three legs in time: embedding up, feature down, gradient up."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.learning import Learning
from coupling.payloads import ActualBits, FixedBits, LegBits
from coupling.protocols.base import Outcome, Payload, Plan, Protocol, ProtocolSettings, Transfers
from coupling.settings.table import Table
from netsim.clock import wait
from netsim.course import Outage
from netsim.fdma import Band
from netsim.parameters import Bits, NonNegative, Positive, Switch
from netsim.sending import Attempt
from netsim.server import Server
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario import Scenario

_UPLINK: Final = "uplink"
_DOWNLINK: Final = "downlink"
_STEPS: Final = ("embed", "encode", "head", "backward")


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
class PhasedSettings(ProtocolSettings):
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
    @override
    def fixed_bits(self) -> float | None:
        bits = self.payload_bit
        return None if bits == "actual" else bits.embedding + bits.feature + bits.gradient

    @property
    @override
    def fixed_uplink_bits(self) -> float | None:
        bits = self.payload_bit
        return None if bits == "actual" else bits.embedding + bits.gradient

    @override
    def check(self, scenario: "Scenario") -> None:
        if scenario.cell.downlink_bandwidth_hz is None or scenario.cell.server_tx_power_w is None:
            raise ValueError(
                "protocol.kind = 'phased' needs cell.downlink_bandwidth_hz and cell.server_tx_power_w"
            )

    @override
    def create(
        self, env: simpy.Environment, scenario: "Scenario", learning: Learning, streams: Streams
    ) -> Protocol:
        count, bits = scenario.devices.count, self.payload_bit
        legs: LegBits = (
            ActualBits(count, learning)
            if bits == "actual"
            else FixedBits(count, bits.embedding, bits.feature, bits.gradient)
        )
        return Phased(env, scenario, self, learning, legs, streams)


@final
@dataclass
class _Visit:
    """What became of one device in a round."""

    device: int
    service_s: dict[str, float]
    """Service time of each of the round's steps for this device, in seconds."""
    legs: list[tuple[str, str, Attempt]] = field(default_factory=list)
    compute_s: float = 0.0
    wait_s: float = 0.0
    arrived: bool = False

    def air_s(self, direction: str) -> float:
        return sum(leg.end_s - leg.start_s for _, way, leg in self.legs if way == direction)


@final
class Phased(Protocol):
    """Device embeds, sends the embedding; server encodes, sends the feature; device steps, sends the gradient.

    Uplink and downlink are separate bands (FDD). The policy shares out the uplink, and a device's share of the
    downlink is the same fraction of it; the server spreads its power evenly over its band. A lost leg ends the
    device's round. The server encodes in order of arrival on a finite number of workers, and goes backward when
    all devices have ended. Compute times are models; where none is given they are 0.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: "Scenario",
        protocol: PhasedSettings,
        learning: Learning,
        legs: LegBits,
        streams: Streams,
    ) -> None:
        cell = scenario.cell
        assert cell.downlink_bandwidth_hz is not None, "validated with the protocol"
        assert cell.server_tx_power_w is not None, "validated with the protocol"
        self._env, self._learning, self._legs, self._streams = env, learning, legs, streams
        self._devices, self._cell, self._protocol = scenario.devices, cell, protocol
        self._downlink_ratio = cell.downlink_bandwidth_hz / cell.bandwidth_hz
        noise, count = cell.noise_psd_w_per_hz, scenario.devices.count
        outage, again = protocol.outage, protocol.reallocate
        power_w = np.full(count, scenario.devices.tx_power_w)
        self._uplink = Band.uplink(env, cell.bandwidth_hz, noise, power_w, outage=outage, reallocate=again)
        self._downlink = Band.downlink(
            env, cell.downlink_bandwidth_hz, noise, cell.server_tx_power_w, outage=outage, reallocate=again
        )
        self._server = Server(env, cell.compute.workers) if cell.compute else None
        compute = scenario.devices.compute
        self._speed_per_s = compute.speeds(count, streams) if compute else None

    @override
    def payload(self, round_: int) -> Payload:
        bits = self._legs.of(round_)
        return Payload(bits.embedding + bits.gradient, bits.feature)

    @override
    def exchange(self, plan: Plan) -> Generator[simpy.Event, Any, Outcome]:
        chosen, round_ = plan.allocation.devices.tolist(), plan.state.round
        share_hz = dict(zip(chosen, plan.allocation.bandwidth_hz.tolist(), strict=True))
        deadline_s = self._env.now + (self._protocol.deadline_s or np.inf)
        self._uplink.open(share_hz, plan.ahead, deadline_s)
        downlink_hz = {device: share * self._downlink_ratio for device, share in share_hz.items()}
        self._downlink.open(downlink_hz, plan.ahead, deadline_s)
        visits = self._visits(plan)
        yield self._env.all_of([self._env.process(self._participate(visit, round_)) for visit in visits])
        if self._server is not None:
            yield self._env.all_of(
                [self._env.process(self._serve(visit, "backward")) for visit in visits if visit.arrived]
            )
        return self._outcome(plan, visits)

    def _participate(self, visit: _Visit, round_: int) -> Generator[simpy.Event, Any, None]:
        """Carry one device through the round, as far as its bits arrive."""
        device = visit.device
        bits = self._legs.of(round_)
        yield from self._compute(visit, "embed")
        job = self._learning.embed(device, round_)
        if (yield from self._carry(visit, "embedding", _UPLINK, bits.embedding[device])):
            yield from self._serve(visit, "encode")
            self._learning.encode(job)
            if (yield from self._carry(visit, "feature", _DOWNLINK, bits.feature[device])):
                yield from self._compute(visit, "head")
                self._learning.head_step(job)
                if (yield from self._carry(visit, "gradient", _UPLINK, bits.gradient[device])):
                    self._learning.backward(job)
                    visit.arrived = True
        self._uplink.release(device)
        self._downlink.release(device)

    def _carry(
        self, visit: _Visit, leg: str, direction: str, bits: float
    ) -> Generator[simpy.Event, Any, bool]:
        """Send one leg; return whether it was delivered."""
        band = self._uplink if direction == _UPLINK else self._downlink
        attempts = yield from band.carry(visit.device, float(bits))
        visit.legs += [(leg, direction, attempt) for attempt in attempts]
        return attempts[-1].status == "delivered"

    def _compute(self, visit: _Visit, step: str) -> Generator[simpy.Event, Any, None]:
        """Let the device compute a step; one that takes no time is no event."""
        if not visit.service_s[step]:
            return
        visit.compute_s += visit.service_s[step]
        yield wait(self._env, visit.service_s[step])

    def _serve(self, visit: _Visit, step: str) -> Generator[simpy.Event, Any, None]:
        """Let the server compute a step of the device, after those that came before."""
        if self._server is None:
            return
        service = yield from self._server.serve(visit.service_s[step])
        visit.wait_s += service.wait_s
        visit.compute_s += visit.service_s[step]

    def _visits(self, plan: Plan) -> list[_Visit]:
        """Return the scheduled devices with the service times of all their steps."""
        device, round_ = plan.allocation.devices, plan.state.round
        operations, on_device, on_server = (
            self._protocol.operations,
            self._devices.compute,
            self._cell.compute,
        )
        times = {step: np.zeros(len(device)) for step in _STEPS}
        for step in _STEPS:
            work = np.full(len(device), getattr(operations, step))
            if step in ("embed", "head") and on_device is not None and self._speed_per_s is not None:
                speed = self._speed_per_s[device]
                times[step] = on_device.service_s(work, speed, device, round_, step, self._streams)
            if step in ("encode", "backward") and on_server is not None:
                times[step] = on_server.service_s(work, device, round_, step, self._streams)
        return [
            _Visit(number, {step: float(times[step][row]) for step in _STEPS})
            for row, number in enumerate(device.tolist())
        ]

    def _outcome(self, plan: Plan, visits: list[_Visit]) -> Outcome:
        legs = [entry for visit in visits for entry in visit.legs]
        attempts = [attempt for _, _, attempt in legs]
        uplinks = [[leg for _, way, leg in visit.legs if way == _UPLINK] for visit in visits]
        sent = np.array([sum(leg.bits_delivered for leg in uplink) for uplink in uplinks])
        up_s = np.array([visit.air_s(_UPLINK) for visit in visits])
        on_air_s = np.array([sum(leg.on_air_s for leg in uplink) for uplink in uplinks])
        rate_bps = [np.nan if attempt.rate_bps is None else attempt.rate_bps for attempt in attempts]
        return Outcome(
            arrived=np.array([visit.arrived for visit in visits]),
            uplink_bits=np.array([sum(leg.bits for leg in uplink) for uplink in uplinks]),
            uplink_bps=np.divide(sent, up_s, out=np.zeros_like(sent), where=up_s > 0),
            air_s=up_s + [visit.air_s(_DOWNLINK) for visit in visits],
            energy_j=self._devices.tx_power_w * on_air_s,
            compute_s=np.array([visit.compute_s for visit in visits]),
            wait_s=np.array([visit.wait_s for visit in visits]),
            transfers=Transfers(
                device=np.array([attempt.device for attempt in attempts]),
                leg=np.array([leg for leg, _, _ in legs], dtype=object),
                direction=np.array([direction for _, direction, _ in legs], dtype=object),
                bits=np.array([attempt.bits for attempt in attempts]),
                bits_delivered=np.floor([attempt.bits_delivered for attempt in attempts]),
                start_s=np.array([attempt.start_s for attempt in attempts]),
                end_s=np.array([attempt.end_s for attempt in attempts]),
                bandwidth_hz=np.array([attempt.bandwidth_hz for attempt in attempts]),
                rate_bps=np.array(rate_bps),
                status=np.array([attempt.status for attempt in attempts], dtype=object),
            ),
        )
