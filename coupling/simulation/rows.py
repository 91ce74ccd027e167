"""Rows of the tables from what happened in a round."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from coupling.run_directory.writer import Values
from coupling.simulation.protocols import Outcome, Transfers
from coupling.simulation.world import Snapshot
from netsim.scheduling import Allocation, Objective, RoundState

if TYPE_CHECKING:
    from learner.data import Partition

Rows = tuple[str, int, dict[str, Values]]
"""Table, number of rows, and the columns."""


def round_row(
    state: RoundState, allocation: Allocation, outcome: Outcome, objective: Objective
) -> dict[str, Values]:
    """Return what the ``rounds`` table says about decision and outcome; times and losses come
    beside it.
    """
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
    """Return the ``shares`` table; no rows where nobody learns."""
    if partition is None:
        return "shares", 0, {}
    held = partition.table()
    columns: dict[str, Values] = {
        "device": held["device"],
        "label": held["label"],
        "samples": held["samples"],
    }
    return "shares", len(held["device"]), columns


def device_rows(
    state: RoundState,
    seen: Snapshot,
    available: Bool[ndarray, " K"],
    charge_j: Float[ndarray, " K"] | None,
    allocation: Allocation,
    outcome: Outcome,
    losses: Mapping[int, float],
    marginal: ndarray | None,
    which: Literal["all", "scheduled"],
) -> Rows:
    """Return the rows of the ``devices`` table, in ascending order of device.

    ``state`` is that of all devices, ``available`` which of them were there, and ``charge_j`` what
    their batteries had at the round's start.
    """
    order = np.argsort(allocation.devices)
    chosen = allocation.devices[order]
    # Where the values of the scheduled devices go among the rows; the rest stays NaN, which is
    # written as null.
    rows, places = (slice(None), chosen) if which == "all" else (chosen, slice(None))
    device = np.arange(len(seen.gain))[rows]
    there = available[rows]
    scheduled = np.zeros(len(device), bool)
    scheduled[places] = True
    values: dict[str, Values] = {
        "round": state.round,
        "device": device,
        "x_m": seen.position_m[rows, 0],
        "y_m": seen.position_m[rows, 1],
        "distance_m": seen.distance_m[rows],
        "gain": seen.gain[rows],
        "gain_known": None
        if state.gain is seen.gain
        else np.where(there, state.gain[rows], np.nan),
        "available": there,
        "battery_j": None if charge_j is None else charge_j[rows],
        "scheduled": scheduled,
        "marginal_objective": None if marginal is None else marginal[rows],
    }
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
        "loss": np.array([losses.get(device, np.nan) for device in allocation.devices.tolist()])
        if losses
        else None,
    }
    for name, value in of_scheduled.items():
        if value is None:
            values[name] = None
            continue
        column = values[name] = np.full(len(device), np.nan)
        column[places] = value[order]
    return "devices", len(device), values


def transfer_rows(round_number: int, transfers: Transfers) -> Rows:
    """Return the rows of the ``transfers`` table."""
    return "transfers", len(transfers.device), {"round": round_number, **vars(transfers)}
