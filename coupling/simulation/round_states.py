"""Round states: the input of a policy, from the scenario and the state of the run."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from coupling.scenario.scenario import Scenario
from coupling.simulation.protocols import Payload
from netsim.scheduling import RoundState


def round_state(
    scenario: Scenario,
    round_number: int,
    *,
    gain: Float[ndarray, " K"],
    payload: Payload,
    virtual_queue_s: float,
    **optional: Any,
) -> RoundState:
    """Return the state of all K devices in a round.

    ``optional`` are further fields of ``RoundState``.
    """
    cell = scenario.cell
    return RoundState(
        round=round_number,
        gain=gain,
        bits=payload.uplink_bits,
        tx_power_w=np.broadcast_to(scenario.devices.tx_power_w, scenario.devices.count),
        bandwidth_hz=cell.bandwidth_hz,
        noise_psd=cell.noise_psd_w_per_hz,
        delay_budget_s=scenario.delay_budget_s,
        virtual_queue_s=virtual_queue_s,
        downlink_bits=payload.downlink_bits,
        downlink_bandwidth_hz=cell.downlink_bandwidth_hz,
        server_tx_power_w=cell.server_tx_power_w,
        deadline_s=getattr(scenario.protocol, "deadline_s", None),
        **optional,
    )
