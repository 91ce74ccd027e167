"""Aggregate protocol: every scheduled device sends its payload once, as in the paper."""

from collections.abc import Generator
from typing import Any, Final, final

import numpy as np
import simpy
from typing_extensions import override

from coupling.simulation.payloads import LegSizes, PayloadModel
from coupling.simulation.protocols.base import (
    Outcome,
    Payload,
    Protocol,
    RoundPlan,
    Transfers,
    use_columns,
)
from learner.base import Learner
from netsim.cell import UPLINK
from netsim.clock import wait
from netsim.link.budget import link_use

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
        per_block_w = state.power_per_block_w
        use = link_use(
            state.link,
            share_hz,
            gain,
            noise_psd=state.noise_psd,
            max_power_w=power_w,
            blocks=state.blocks,
            power_per_block_w=None if per_block_w is None else per_block_w[position],
        )
        rate_bps = use.rate_bps
        power_w = use.power_share * power_w
        # An outage of the link is known at once: nothing is sent.
        in_outage = (rate_bps <= 0) & (state.uplink is not None)
        needed_s = np.divide(bits, rate_bps, out=np.zeros(len(bits)), where=~in_outage)
        start_s = self._env.now
        air_s = np.minimum(
            needed_s, np.minimum(plan.departure_s - start_s, plan.charge_j / power_w)
        )
        arrived = (air_s >= needed_s) & ~in_outage
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
            tx_power_w=np.where(in_outage, np.nan, power_w),
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
                **use_columns(use, state.blocks, rate_bps > 0),
                status=(
                    "delivered"
                    if all_arrived
                    else np.select([arrived, in_outage], ["delivered", "lost"], "aborted").astype(
                        object
                    )
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
