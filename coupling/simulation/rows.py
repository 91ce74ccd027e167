"""Table rows of one round, from its decision and its outcome."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from coupling.run_directory.table_buffer import Values
from coupling.run_directory.writer import Rows
from coupling.simulation.protocols import Outcome, Transfers
from coupling.simulation.world import Snapshot
from netsim.scheduling import Allocation, Objective, RoundState

if TYPE_CHECKING:
    from learner.data import Partition


def round_row(
    state: RoundState, allocation: Allocation, outcome: Outcome, *, objective: Objective
) -> dict[str, Values]:
    """Return the row of the ``rounds`` table, except its times, losses and queue afterwards."""
    count = len(allocation.devices)
    delay_s = float(outcome.air_s.max(initial=0.0))
    return {
        "round": state.round,
        "scheduled": count,
        "arrived": int(np.count_nonzero(outcome.arrived)),
        "delay_predicted_s": allocation.delay_s,
        "delay_s": delay_s,
        "delay_budget_s": state.delay_budget_s,
        "virtual_queue_before_s": state.virtual_queue_s,
        "objective": float(objective.value(count, delay_s, state)),
        "energy_j": float(outcome.energy_j.sum()),
    }


def share_rows(partition: "Partition | None") -> Rows:
    """Return the rows of the ``shares`` table; there are none without a learner."""
    if partition is None:
        return 0, {}
    shares = partition.table()
    columns = {name: shares[name] for name in ("device", "label", "samples")}
    return len(shares["device"]), columns


def device_rows(
    state: RoundState,
    snapshot: Snapshot,
    allocation: Allocation,
    *,
    outcome: Outcome,
    available: Bool[ndarray, " K"],
    charge_j: Float[ndarray, " K"] | None,
    losses: Mapping[int, float],
    marginal: Float[ndarray, " K"] | None,
    written: Literal["all", "scheduled"],
) -> Rows:
    """Return the rows of the ``devices`` table, in ascending order of device.

    ``state`` is the state of all devices, ``available`` says which of them were available, and
    ``charge_j`` is the charge of their batteries at the start of the round.
    """
    order = np.argsort(allocation.devices)
    chosen = allocation.devices[order]
    # ``places`` are the rows of the scheduled devices; other rows stay NaN, which is written as
    # null.
    rows, places = (slice(None), chosen) if written == "all" else (chosen, slice(None))
    device = np.arange(len(snapshot.gain))[rows]
    is_available = available[rows]
    scheduled = np.zeros(len(device), bool)
    scheduled[places] = True
    is_exact = state.gain is snapshot.gain
    values: dict[str, Values] = {
        "round": state.round,
        "device": device,
        "x_m": snapshot.position_m[rows, 0],
        "y_m": snapshot.position_m[rows, 1],
        "distance_m": snapshot.distance_m[rows],
        "gain": snapshot.gain[rows],
        "gain_known": None if is_exact else np.where(is_available, state.gain[rows], np.nan),
        "available": is_available,
        "battery_j": None if charge_j is None else charge_j[rows],
        "scheduled": scheduled,
        "marginal_objective": None if marginal is None else marginal[rows],
    }
    loss = None
    if losses:
        loss = np.array([losses.get(number, np.nan) for number in allocation.devices.tolist()])
    of_scheduled = {
        "bandwidth_hz": allocation.bandwidth_hz,
        "rate_bps": outcome.uplink_bps,
        "bits": outcome.uplink_bits,
        "delay_s": outcome.air_s,
        "energy_j": outcome.energy_j,
        "transmit_j": outcome.transmit_j,
        "receive_j": outcome.receive_j,
        "compute_j": outcome.compute_j,
        "compute_s": outcome.compute_s,
        "wait_s": outcome.wait_s,
        "loss": loss,
    }
    for name, value in of_scheduled.items():
        if value is None:
            values[name] = None
            continue
        column = np.full(len(device), np.nan)
        column[places] = value[order]
        values[name] = column
    return len(device), values


def transfer_rows(round_number: int, transfers: Transfers) -> Rows:
    """Return the rows of the ``transfers`` table."""
    return len(transfers.device), {"round": round_number, **vars(transfers)}
