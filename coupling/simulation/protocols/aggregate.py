"""Aggregate protocol: every scheduled device sends its payload once, as in the paper."""

from collections.abc import Generator
from typing import Any, Final, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.simulation.payloads import LegSizes, PayloadModel
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan, Transfers
from learner.base import Learner
from netsim.cell import UPLINK
from netsim.clock import wait

LEG: Final = "payload"
"""Embedding, feature and gradient together."""


@final
class Aggregate(Protocol):
    """Each scheduled device sends embedding, feature and gradient together, once, at the rate (5).

    The gain is that of the round's channel block throughout, so the slowest device's delay is
    exactly (7). A device that leaves or runs empty aborts its transfer at that instant, and the
    step is made without it.
    """

    def __init__(self, env: simpy.Environment, sizes: PayloadModel, learner: Learner) -> None:
        self._env = env
        self._sizes = sizes
        self._learner = learner

    @override
    def payload(self, round_number: int) -> Payload:
        first, *others = self._sizes.bits(round_number).values()
        total = first
        for size in others:
            total = total + size
        return Payload(total)

    @override
    def leg_bits(self, round_number: int) -> LegSizes:
        return {LEG: self.payload(round_number).uplink_bits}

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        state = plan.state
        chosen = plan.allocation.devices
        position = np.searchsorted(state.device, chosen)
        bits = state.bits[position]
        power_w = state.tx_power_w[position]
        share_hz = plan.allocation.bandwidth_hz
        gain = np.array([plan.channel.constant_gain(device) for device in chosen.tolist()], float)
        rate_bps = state.link.rate(share_hz, gain, state.noise_psd, tx_power_w=power_w)
        needed_s = bits / rate_bps
        start_s = self._env.now
        air_s = np.minimum(
            needed_s, np.minimum(plan.departure_s - start_s, plan.charge_j / power_w)
        )
        arrived = air_s >= needed_s
        transfers = zip(chosen.tolist(), air_s.tolist(), arrived.tolist(), strict=True)
        yield self._env.all_of(
            [
                self._env.process(
                    self._participate(device, state.round, duration_s, arrives=arrives)
                )
                for device, duration_s, arrives in transfers
            ]
        )
        all_arrived = bool(arrived.all())
        return Outcome(
            arrived=arrived,
            uplink_bits=bits,
            uplink_bps=rate_bps,
            air_s=air_s,
            transmit_j=power_w * air_s,
            transfers=Transfers(
                device=chosen,
                leg=LEG,
                direction=UPLINK,
                bits=bits,
                bits_delivered=(
                    bits if all_arrived else np.where(arrived, bits, np.floor(rate_bps * air_s))
                ),
                start_s=start_s,
                end_s=start_s + air_s,
                bandwidth_hz=share_hz,
                rate_bps=rate_bps,
                energy_j=power_w * air_s,
                status=(
                    "delivered"
                    if all_arrived
                    else np.where(arrived, "delivered", "aborted").astype(object)
                ),
            ),
        )

    def _participate(
        self, device: int, round_number: int, air_s: float, *, arrives: bool
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one device through a round; its step is computed when its payload has arrived."""
        learner = self._learner
        job = learner.start(device, round_number)
        if job is None:  # nothing is learned
            yield wait(self._env, air_s)
            return
        learner.computed(job, "embed")
        yield wait(self._env, air_s)
        if not arrives:
            return
        learner.delivered(job, "embedding")
        learner.computed(job, "encode")
        learner.delivered(job, "feature")
        learner.computed(job, "head")
        learner.delivered(job, "gradient")
        learner.computed(job, "backward")
