"""What the processes of a round share: two bands, the devices' processors, and the server's
queue.
"""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np
import simpy

from coupling.scenario.tables.protocols import RadioProtocolTable
from coupling.simulation.protocols.base import Outcome, RoundPlan, Transfers
from coupling.simulation.protocols.participation import DOWNLINK, UPLINK, Direction, Participation
from netsim.clock import wait
from netsim.edge_server import Server
from netsim.link.band import Band
from netsim.streams import Streams

if TYPE_CHECKING:
    from coupling.scenario.scenario import Scenario


@final
class Resources:
    """The cell at work: who sends, computes or waits in a round, and what it comes to.

    Uplink and downlink are separate bands (FDD). The policy shares out the uplink, and a device's
    share of the downlink is the same fraction of it; the server spreads its power evenly over its
    band. Compute times are models; where none is given they are 0.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: "Scenario",
        streams: Streams,
        protocol: RadioProtocolTable,
    ) -> None:
        self._env, self._streams = env, streams
        self._devices, self._cell, self._deadline_s = (
            scenario.devices,
            scenario.cell,
            protocol.deadline_s,
        )
        outage, reallocate = protocol.outage, protocol.reallocate
        cell, count, noise = scenario.cell, scenario.devices.count, scenario.cell.noise_psd_w_per_hz
        power_w = np.full(count, scenario.devices.tx_power_w)
        self._power_w: dict[Direction, float] = {
            UPLINK: scenario.devices.tx_power_w,
            DOWNLINK: scenario.devices.energy.receive_w,
        }
        self._uplink = Band.uplink(
            env, cell.bandwidth_hz, noise, power_w, outage=outage, reallocate=reallocate
        )
        self._downlink: Band | None = None
        if cell.downlink_bandwidth_hz is not None and cell.server_tx_power_w is not None:
            downlink_hz, server_w = cell.downlink_bandwidth_hz, cell.server_tx_power_w
            self._downlink = Band.downlink(
                env, downlink_hz, noise, server_w, outage=outage, reallocate=reallocate
            )
            self._downlink_ratio = downlink_hz / cell.bandwidth_hz
        self.server = Server(env, cell.compute.workers) if cell.compute else None
        """The server's queue; None where its steps take no time."""
        compute = scenario.devices.compute
        self._speed_per_s = compute.speeds(count, streams) if compute else None

    @property
    def has_downlink(self) -> bool:
        """Whether anything can be sent to the devices."""
        return self._downlink is not None

    def open(
        self, plan: RoundPlan, on_device: Mapping[str, float], on_server: Mapping[str, float]
    ) -> list[Participation]:
        """Begin a round: share out the bands, and return the scheduled devices.

        ``on_device`` and ``on_server`` are the operations of each step for one device, on either
        side.
        """
        chosen = plan.allocation.devices.tolist()
        share_hz = dict(zip(chosen, plan.allocation.bandwidth_hz.tolist(), strict=True))
        deadline_s = self._env.now + (self._deadline_s or np.inf)
        self._uplink.open(share_hz, plan.ahead, deadline_s)
        if self._downlink is not None:
            downlink_hz = {
                device: share * self._downlink_ratio for device, share in share_hz.items()
            }
            self._downlink.open(downlink_hz, plan.ahead, deadline_s)
        return self._visits(plan, on_device, on_server)

    def carry(
        self, visit: Participation, leg: str, direction: Direction, bits: float
    ) -> Generator[simpy.Event, Any, bool]:
        """Send one leg; return whether it was delivered."""
        band = self._uplink if direction == UPLINK else self._downlink
        assert band is not None, "validated with the protocol: there is a downlink"
        limits = visit.leave_s, visit.bearable_s(direction)
        attempts = yield from band.carry(visit.device, float(bits), *limits)
        visit.carried(leg, direction, attempts)
        return attempts[-1].status == "delivered"

    def release(self, visit: Participation) -> None:
        """Give back the device's shares of the bands; its last leg is over."""
        self._uplink.release(visit.device)
        if self._downlink is not None:
            self._downlink.release(visit.device)

    def compute(self, visit: Participation, step: str) -> Generator[simpy.Event, Any, bool]:
        """Let the device compute a step, and return whether it came to its end; one without time is
        no event.
        """
        if not visit.service_s[step]:
            return True
        taken_s = visit.step_s(step, self._env.now)
        yield wait(self._env, taken_s)
        return visit.stepped(step, taken_s, self._env.now)

    def serve(self, visit: Participation, step: str) -> Generator[simpy.Event, Any, None]:
        """Let the server compute a step of the device, after those that came before."""
        if self.server is None:
            return
        service = yield from self.server.serve(visit.service_s[step])
        visit.wait_s += service.wait_s
        visit.compute_s += visit.service_s[step]

    def _visits(
        self, plan: RoundPlan, on_device: Mapping[str, float], on_server: Mapping[str, float]
    ) -> list[Participation]:
        """Return the scheduled devices with the service times of all their steps, and what their
        own ones cost.
        """
        device, round_number = plan.allocation.devices, plan.state.round
        times = {step: np.zeros(len(device)) for step in (*on_device, *on_server)}
        costs = {step: np.zeros(len(device)) for step in on_device}
        if self._devices.compute is not None and self._speed_per_s is not None:
            for step, operations in on_device.items():
                work, speed = np.full(len(device), operations), self._speed_per_s[device]
                times[step] = self._devices.compute.service_s(
                    work, speed, device, round_number, step, self._streams
                )
                costs[step] = self._devices.energy.compute_j(work, speed)
        if self._cell.compute is not None:
            for step, operations in on_server.items():
                work = np.full(len(device), operations)
                times[step] = self._cell.compute.service_s(
                    work, device, round_number, step, self._streams
                )
        return [
            Participation(
                number,
                {step: float(service_s[row]) for step, service_s in times.items()},
                {step: float(cost_j[row]) for step, cost_j in costs.items()},
                self._power_w,
                float(plan.leave_s[row]),
                float(plan.charge_j[row]),
            )
            for row, number in enumerate(device.tolist())
        ]

    def outcome(self, visits: list[Participation]) -> Outcome:
        """Return what the round came to; the visits are in the allocation's order."""
        legs = [entry for visit in visits for entry in visit.legs]
        attempts = [attempt for _, _, attempt in legs]
        uplinks = [visit.attempts(UPLINK) for visit in visits]
        sent = np.array([sum(leg.bits_delivered for leg in uplink) for uplink in uplinks])
        up_s = np.array([visit.air_s(UPLINK) for visit in visits])
        rate_bps = [
            np.nan if attempt.rate_bps is None else attempt.rate_bps for attempt in attempts
        ]
        return Outcome(
            arrived=np.array([visit.arrived for visit in visits]),
            uplink_bits=np.array([sum(leg.bits for leg in uplink) for uplink in uplinks]),
            uplink_bps=np.divide(sent, up_s, out=np.zeros_like(sent), where=up_s > 0),
            air_s=up_s + [visit.air_s(DOWNLINK) for visit in visits],
            transmit_j=np.array([visit.spent_j(UPLINK) for visit in visits]),
            receive_j=np.array([visit.spent_j(DOWNLINK) for visit in visits]),
            compute_j=np.array([visit.compute_j for visit in visits]),
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
                energy_j=np.array(
                    [self._power_w[way] * attempt.on_air_s for _, way, attempt in legs]
                ),
                status=np.array([attempt.status for attempt in attempts], dtype=object),
            ),
        )
