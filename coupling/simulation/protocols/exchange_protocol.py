"""Exchange protocol: carries every scheduled device through an exchange, step by step."""

from collections.abc import Generator, Mapping
from typing import Any, final

import numpy as np
import simpy
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from coupling.scenario.tables import DevicesTable
from coupling.simulation.payloads import LegSizes, PayloadModel
from coupling.simulation.protocols.attempts import mean_power_w, transfers_of
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.exchange import DEVICE, SERVER, Compute, Exchange, Send
from coupling.simulation.protocols.participation import Participation
from learner.base import Learner
from learner.job import Job
from netsim.cell import DOWNLINK, UPLINK, Cell, Direction
from netsim.clock import wait
from netsim.link.resource_blocks import ResourceBlocks
from netsim.streams import Streams


@final
class ExchangeProtocol(Protocol):
    """Protocol that carries every scheduled device through an exchange, step by step.

    A leg that is lost ends the device's round. So does a device that leaves or runs empty: its
    transfer is aborted at that instant; if it was computing or waiting, its next leg is aborted.
    The server computes in order of arrival. Its steps after the last leg are taken when all
    devices have ended, for each device whose legs were all delivered.
    """

    def __init__(
        self,
        env: simpy.Environment,
        exchange: Exchange,
        sizes: PayloadModel,
        *,
        cell: Cell,
        devices: DevicesTable,
        streams: Streams,
        learner: Learner,
        operations: Mapping[str, float] | None = None,
        deadline_s: float | None = None,
        one_shot: bool = False,
    ) -> None:
        """Create the protocol.

        Args:
            env: Clock of the run.
            exchange: Steps and legs in their order.
            sizes: Bits of each leg.
            cell: Bands and server.
            devices: Speed, energy and power of the devices.
            streams: Random streams of the run.
            learner: Learner that follows the steps and legs.
            operations: Operations of each step for one device; a step that is left out takes none.
            deadline_s: Time after the start of a round at which all transfers end, in seconds.
            one_shot: Whether a device takes part until its legs have been delivered once.
        """
        self._env = env
        self._sizes = sizes
        self._cell = cell
        self._devices = devices
        self._streams = streams
        self._learner = learner
        self._operations = operations or {}
        self._deadline_s = np.inf if deadline_s is None else deadline_s
        self._one_shot = one_shot
        self._latest: tuple[LegSizes, Payload] | None = None
        last = max(place for place, entry in enumerate(exchange) if isinstance(entry, Send))
        self._entries = tuple(exchange[: last + 1])
        self._bands = {
            entry.direction: cell.band(entry.direction)
            for entry in exchange
            if isinstance(entry, Send)
        }
        self._final_steps = [entry for entry in exchange[last + 1 :] if isinstance(entry, Compute)]
        steps = [entry for entry in exchange if isinstance(entry, Compute)]
        self._device_steps = [entry.step for entry in steps if entry.side is DEVICE]
        self._server_steps = [entry.step for entry in steps if entry.side is SERVER]
        self._power_w: dict[Direction, float] = {
            UPLINK: devices.max_power_w,
            DOWNLINK: devices.energy.receive_w,
        }
        compute = devices.compute
        self._speed_per_s = compute.speeds(devices.count, streams) if compute else None

    @override
    def payload(self, round_number: int) -> Payload:
        bits = self._sizes.bits(round_number)
        if self._latest is None or self._latest[0] is not bits:
            uplink_bits = self._sum(bits, UPLINK)
            assert uplink_bits is not None, "an exchange has an uplink leg"
            payload = Payload(uplink_bits, self._sum(bits, DOWNLINK), one_shot=self._one_shot)
            self._latest = bits, payload
        return self._latest[1]

    @override
    def leg_bits(self, round_number: int) -> LegSizes:
        return self._sizes.bits(round_number)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        chosen = plan.allocation.devices.tolist()
        share_hz = dict(zip(chosen, plan.allocation.bandwidth_hz.tolist(), strict=True))
        power_w = plan.state.power_per_block_w
        if power_w is not None:
            power_w = power_w[np.searchsorted(plan.state.device, plan.allocation.devices)]
        self._cell.begin_round(
            share_hz,
            plan.channel,
            self._env.now + self._deadline_s,
            power_per_block_w=power_w
            if power_w is None
            else dict(zip(chosen, power_w.tolist(), strict=True)),
        )
        participations = self._participations(plan)
        round_number = plan.state.round
        jobs: dict[int, Job | None] = {}
        yield self._env.all_of(
            [
                self._env.process(self._participate(participation, round_number, jobs))
                for participation in participations
            ]
        )
        arrived = [participation for participation in participations if participation.arrived]
        for entry in self._final_steps:
            if self._cell.has_compute:
                yield self._env.all_of(
                    [
                        self._env.process(self._serve(participation, entry.step))
                        for participation in arrived
                    ]
                )
            for participation in arrived:
                self._learner.computed(jobs[participation.device], entry.step)
        return self._outcome(participations, plan.state.blocks)

    def _participate(
        self, participation: Participation, round_number: int, jobs: dict[int, Job | None]
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one device through the round, up to a leg that is not delivered."""
        device = participation.device
        bits = self._sizes.bits(round_number)
        job = jobs[device] = self._learner.start(device, round_number)
        for entry in self._entries:
            if isinstance(entry, Send):
                attempts = yield from self._bands[entry.direction].transmit(
                    device,
                    float(bits[entry.leg][device]),
                    participation.departure_s,
                    airtime_s=participation.max_airtime_s(entry.direction),
                )
                participation.record_leg(entry.leg, entry.direction, attempts)
                if attempts[-1].status != "delivered":
                    break
                if job is not None:
                    self._learner.delivered(job, entry.leg)
                continue
            # A step that takes no time is no event.
            if entry.side is SERVER and self._cell.has_compute:
                yield from self._serve(participation, entry.step)
            elif (
                entry.side is DEVICE
                and participation.service_s[entry.step]
                and not (yield from self._compute(participation, entry.step))
            ):
                continue
            if job is not None:
                self._learner.computed(job, entry.step)
        else:
            participation.arrived = True
        self._cell.release(device)

    def _compute(
        self, participation: Participation, step: str
    ) -> Generator[simpy.Event, Any, bool]:
        """Compute a step on the device; return whether it is done."""
        taken_s = participation.step_s(step, self._env.now)
        yield wait(self._env, taken_s)
        return participation.record_step(step, taken_s, self._env.now)

    def _serve(self, participation: Participation, step: str) -> Generator[simpy.Event, Any, None]:
        """Compute a step of the device on the server, after those that arrived before."""
        service = yield from self._cell.serve(participation.service_s[step])
        participation.wait_s += service.wait_s
        participation.compute_s += participation.service_s[step]

    def _sum(self, bits: LegSizes, direction: Direction) -> Float[ndarray, " K"] | None:
        """Return the bits of all legs in a direction; None if there is no such leg."""
        legs = [
            bits[entry.leg]
            for entry in self._entries
            if isinstance(entry, Send) and entry.direction == direction
        ]
        if not legs:
            return None
        total = legs[0]
        for size in legs[1:]:
            total = total + size
        return total

    def _participations(self, plan: RoundPlan) -> list[Participation]:
        """Return the scheduled devices with the times and energies of their steps."""
        device = plan.allocation.devices
        round_number = plan.state.round
        times_s = {
            step: np.zeros(len(device)) for step in (*self._device_steps, *self._server_steps)
        }
        costs_j = {step: np.zeros(len(device)) for step in self._device_steps}
        if self._devices.compute is not None and self._speed_per_s is not None:
            for step in self._device_steps:
                work = np.full(len(device), self._operations.get(step, 0.0))
                speed_per_s = self._speed_per_s[device]
                times_s[step] = self._devices.compute.service_s(
                    work,
                    speed_per_s,
                    device,
                    round_number=round_number,
                    step=step,
                    streams=self._streams,
                )
                costs_j[step] = self._devices.energy.compute_j(work, speed_per_s)
        for step in self._server_steps:
            times_s[step] = self._cell.service_s(
                self._operations.get(step, 0.0),
                device,
                round_number,
                step=step,
                streams=self._streams,
            )
        return [
            Participation(
                device=number,
                service_s={step: float(values[row]) for step, values in times_s.items()},
                step_j={step: float(values[row]) for step, values in costs_j.items()},
                power_w=self._power_w,
                departure_s=float(plan.departure_s[row]),
                charge_j=float(plan.charge_j[row]),
            )
            for row, number in enumerate(device.tolist())
        ]

    def _outcome(
        self, participations: list[Participation], blocks: ResourceBlocks | None
    ) -> Outcome:
        """Return the outcome of the round; participations are in the allocation's order."""
        uplinks = [participation.attempts(UPLINK) for participation in participations]
        sent = np.array([sum(attempt.bits_delivered for attempt in uplink) for uplink in uplinks])
        uplink_s = np.array([participation.air_s(UPLINK) for participation in participations])
        downlink_s = [participation.air_s(DOWNLINK) for participation in participations]
        return Outcome(
            arrived=np.array([participation.arrived for participation in participations]),
            uplink_bits=np.array([sum(attempt.bits for attempt in uplink) for uplink in uplinks]),
            uplink_bps=np.divide(sent, uplink_s, out=np.zeros(len(sent)), where=uplink_s > 0),
            air_s=uplink_s + downlink_s,
            transmit_j=np.array([entry.spent_j(UPLINK) for entry in participations]),
            receive_j=np.array([entry.spent_j(DOWNLINK) for entry in participations]),
            compute_j=np.array([entry.compute_j for entry in participations]),
            compute_s=np.array([entry.compute_s for entry in participations]),
            wait_s=np.array([entry.wait_s for entry in participations]),
            transfers=transfers_of(participations, self._power_w, blocks),
            tx_power_w=mean_power_w(participations, self._power_w),
        )
