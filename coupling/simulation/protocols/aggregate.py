"""The paper's round: every scheduled device sends its payload once."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.simulation.learning import TimedLearner
from coupling.simulation.payloads import PayloadModel
from coupling.simulation.protocols.base import (
    Outcome,
    Payload,
    Protocol,
    RoundPlan,
    Transfers,
)
from netsim.clock import wait
from netsim.link import shannon


@final
@dataclass(frozen=True)
class Aggregate(Protocol):
    """Each scheduled device sends its symbols (embedding, feature and gradient together) once, at
    the rate (5).

    The gain is that of the round's channel block throughout, so the slowest device's delay is
    exactly (7). A device that leaves or runs empty before its end aborts; it has been on air until
    then, and the step goes without it.
    """

    env: simpy.Environment
    learning: TimedLearner
    legs: PayloadModel

    @override
    def payload(self, round_number: int) -> Payload:
        bits = self.legs.of(round_number)
        return Payload(bits.embedding + bits.feature + bits.gradient)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        state, chosen = plan.state, plan.allocation.devices
        at = np.searchsorted(state.device, chosen)
        bits, power_w, share_hz = state.bits[at], state.tx_power_w[at], plan.allocation.bandwidth_hz
        gain = np.array([plan.ahead.constant_gain(device) for device in chosen.tolist()], float)
        rate_bps = shannon.rate(share_hz, gain, state.noise_psd, power_w)
        needed_s, start_s = bits / rate_bps, self.env.now
        air_s = np.minimum(needed_s, np.minimum(plan.leave_s - start_s, plan.charge_j / power_w))
        arrived = air_s >= needed_s
        each = zip(chosen.tolist(), air_s.tolist(), arrived.tolist(), strict=True)
        yield self.env.all_of(
            [
                self.env.process(self._participate(device, state.round, *how))
                for device, *how in each
            ]
        )
        everybody = bool(arrived.all())
        return Outcome(
            arrived=arrived,
            uplink_bits=bits,
            uplink_bps=rate_bps,
            air_s=air_s,
            transmit_j=power_w * air_s,
            transfers=Transfers(
                device=chosen,
                leg="symbols",
                direction="uplink",
                bits=bits,
                bits_delivered=bits
                if everybody
                else np.where(arrived, bits, np.floor(rate_bps * air_s)),
                start_s=start_s,
                end_s=start_s + air_s,
                bandwidth_hz=share_hz,
                rate_bps=rate_bps,
                energy_j=power_w * air_s,
                status="delivered"
                if everybody
                else np.where(arrived, "delivered", "aborted").astype(object),
            ),
        )

    def _participate(
        self, device: int, round_number: int, air_s: float, arrives: bool
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one device through a round: its symbols travel, then its part of the step is
        due.
        """
        job = self.learning.embed(device, round_number)
        yield wait(self.env, air_s)
        if not arrives:
            return
        self.learning.encode(job)
        self.learning.head_step(job)
        self.learning.backward(job)
