"""Round states: the view of a round that a policy decides on, and the state after the round."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from coupling.run_directory.checkpoint import RunState
from coupling.scenario.scenario import Scenario
from coupling.simulation.protocols import Outcome, Payload
from coupling.simulation.world import Snapshot
from learner.job import RoundLosses
from netsim.scheduling import Allocation, History, RoundState
from netsim.streams import Streams
from netsim.virtual_queue import next_virtual_queue


@final
@dataclass(frozen=True)
class OpenRound:
    """Round whose decision is due."""

    snapshot: Snapshot
    everyone: RoundState
    """State of all K devices."""
    offered: RoundState
    """State of the devices that may be scheduled."""
    available: Bool[ndarray, " K"]
    charge_j: Float[ndarray, " K"] | None
    """Charges at the start of the round, in J; None without batteries."""


def initial_state(scenario: Scenario) -> RunState:
    """Return the state of a run before its first round."""
    devices = scenario.devices
    battery_j = None
    if devices.battery is not None:
        battery_j = devices.battery.initial_charge_j(devices.count, Streams(scenario.seed))
    queue_s = scenario.scheduler.queue_initial_budgets * scenario.delay_budget_s
    return RunState.initial(devices.count, queue_s, battery_j)


def round_state(
    scenario: Scenario,
    round_number: int,
    *,
    gain: Float[ndarray, " K"],
    payload: Payload,
    tx_power_w: Float[ndarray, " K"],
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
        tx_power_w=tx_power_w,
        bandwidth_hz=cell.uplink_hz,
        noise_psd=cell.noise_psd_w_per_hz,
        delay_budget_s=scenario.delay_budget_s,
        virtual_queue_s=virtual_queue_s,
        downlink_bits=payload.downlink_bits,
        downlink_bandwidth_hz=cell.downlink_hz,
        server_tx_power_w=cell.server_tx_power_w,
        link=scenario.channel.link,
        blocks=cell.blocks,
        **optional,
    )


def history(state: RunState, round_number: int) -> History:
    """Return the participation history at the start of a round."""
    rounds = max(1, round_number - 1)
    return History(
        times_scheduled=state.times_scheduled,
        last_round=state.last_round,
        mean_rate_bps=read_only(state.rate_sum_bps / rounds),
        mean_energy_j=read_only(state.energy_sum_j / rounds),
    )


def read_only(values: Float[ndarray, " K"]) -> Float[ndarray, " K"]:
    """Return a new array after making it read-only, which saves the state a view of it."""
    values.flags.writeable = False
    return values


def update_state(
    state: RunState,
    scenario: Scenario,
    view: OpenRound,
    *,
    allocation: Allocation,
    outcome: Outcome,
    losses: RoundLosses,
    duration_s: float,
) -> None:
    """Update the time on air, the virtual queue, the history and the batteries after a round."""
    scheduler = scenario.scheduler
    number = view.offered.round
    devices = allocation.devices
    delay_s = float(outcome.air_s.max(initial=0.0))
    state.air_time_s += delay_s
    state.virtual_queue_s = next_virtual_queue(
        view.offered.virtual_queue_s,
        delay_s,
        view.offered.delay_budget_s,
        update=scheduler.queue_update,
        zeta=scheduler.zeta.at(number),
    )
    state.times_scheduled[devices] += 1
    state.last_round[devices] = number
    state.rate_sum_bps[devices] += outcome.uplink_bps
    state.energy_sum_j[devices] += outcome.transmit_j
    arrived = devices[outcome.arrived]
    state.last_arrival[arrived] = number
    for device in arrived.tolist() if losses.losses else ():
        if device in losses.losses:
            state.last_loss[device] = losses.losses[device]
        if device in losses.gradient_norms:
            state.last_gradient_norm[device] = losses.gradient_norms[device]
    battery = scenario.devices.battery
    if battery is not None:
        spent_j = np.zeros(scenario.devices.count)
        spent_j[devices] = outcome.energy_j
        state.battery_j, state.depleted = battery.after_round(
            state.battery_j, state.depleted, spent_j, duration_s=duration_s
        )
