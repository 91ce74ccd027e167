"""Table rows of one round, from its decision and its outcome."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.table_buffer import Values
from coupling.run_directory.writer import Rows
from coupling.scenario.scenario import Scenario
from coupling.simulation.decision_rows import decision_row, marginal_objectives
from coupling.simulation.protocols import Outcome, Transfers
from coupling.simulation.round_states import OpenRound
from learner.job import RoundLosses
from netsim.scheduling import Allocation, Objective, RoundRecord, RoundState

if TYPE_CHECKING:
    from learner.data import Partition
    from learner.evaluate import Evaluation


def round_tables(
    scenario: Scenario,
    view: OpenRound,
    allocation: Allocation,
    *,
    outcome: Outcome,
    losses: RoundLosses,
    after: RunState,
    start_s: float,
    end_s: float,
    policy_wall_s: float,
    learner_wall_s: float,
) -> dict[str, list[Rows]]:
    """Return the rows of a round by table; ``after`` is the state of the run after the round."""
    scheduler = scenario.scheduler
    objective = scheduler.objective
    results: dict[str, Values] = {
        "virtual_queue_s": after.virtual_queue_s,
        "policy_wall_s": policy_wall_s,
    }
    times: dict[str, Values] = {
        "start_s": start_s,
        "end_s": end_s,
        "air_time_s": after.air_time_s,
        "train_loss": losses.train_loss,
        "learner_wall_s": learner_wall_s,
    }
    optimum = scheduler.diagnose is not False
    decision = decision_row(view.offered, allocation, outcome, objective=objective, optimum=optimum)
    marginal = None
    if scheduler.diagnose == "devices":
        marginal = np.full(len(view.available), np.nan)
        marginal[view.offered.device] = marginal_objectives(view.offered, allocation, objective)
    devices = device_rows(
        view,
        allocation,
        outcome,
        losses=losses.losses,
        marginal=marginal,
        written=scenario.trace.devices,
    )
    row = round_row(view.offered, allocation, outcome, objective=objective)
    return {
        "rounds": [(1, row | times | results)],
        "decisions": [(1, decision | results)],
        "devices": [devices],
        "transfers": [transfer_rows(view.offered.round, outcome.transfers)],
    }


def round_record(
    allocation: Allocation,
    outcome: Outcome,
    tables: dict[str, list[Rows]],
    *,
    evaluation: "Evaluation | None",
) -> RoundRecord:
    """Return the record of a round whose rows are ``tables``; an evaluation gets its row, too."""
    row = cast(dict[str, Any], tables["rounds"][0][1])
    row["panel_loss"] = None if evaluation is None else evaluation.panel_loss
    evaluated = None
    if evaluation is not None:
        evaluated = evaluation_row(
            evaluation, row["round"], row["end_s"], air_time_s=row["air_time_s"]
        )
        tables["evaluations"] = [(1, evaluated)]
    return RoundRecord(
        round=row["round"],
        time_s=row["end_s"],
        allocation=allocation,
        scheduled=allocation.devices,
        arrived=outcome.arrived,
        delay_s=row["delay_s"],
        objective=row["objective"],
        virtual_queue_s=row["virtual_queue_s"],
        energy_j=row["energy_j"],
        train_loss=row["train_loss"],
        evaluation=evaluated,
        tables=tables,
    )


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
    view: OpenRound,
    allocation: Allocation,
    outcome: Outcome,
    *,
    losses: Mapping[int, float],
    marginal: Float[ndarray, " K"] | None,
    written: Literal["all", "scheduled"],
) -> Rows:
    """Return the rows of the ``devices`` table, in ascending order of device."""
    order = np.argsort(allocation.devices)
    chosen = allocation.devices[order]
    # ``places`` are the rows of the scheduled devices; other rows stay NaN, which is written as
    # null.
    rows, places = (slice(None), chosen) if written == "all" else (chosen, slice(None))
    snapshot = view.snapshot
    device = np.arange(len(snapshot.gain))[rows]
    available = view.available[rows]
    scheduled = np.zeros(len(device), bool)
    scheduled[places] = True
    gain = view.everyone.gain
    is_exact = gain is snapshot.gain
    values: dict[str, Values] = {
        "round": view.everyone.round,
        "device": device,
        "x_m": snapshot.position_m[rows, 0],
        "y_m": snapshot.position_m[rows, 1],
        "distance_m": snapshot.distance_m[rows],
        "gain": snapshot.gain[rows],
        "gain_known": None if is_exact else np.where(available, gain[rows], np.nan),
        "available": available,
        "battery_j": None if view.charge_j is None else view.charge_j[rows],
        "scheduled": scheduled,
        "marginal_objective": None if marginal is None else marginal[rows],
    }
    for name, value in _scheduled_columns(allocation, outcome, losses).items():
        if value is None:
            values[name] = None
            continue
        column = np.full(len(device), np.nan)
        column[places] = value[order]
        values[name] = column
    return len(device), values


def _scheduled_columns(
    allocation: Allocation, outcome: Outcome, losses: Mapping[int, float]
) -> dict[str, Float[ndarray, " N"] | None]:
    """Return the columns of the scheduled devices, in the allocation's order."""
    loss = None
    if losses:
        loss = np.array([losses.get(number, np.nan) for number in allocation.devices.tolist()])
    return {
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
        "tx_power_w": outcome.tx_power_w,
        "loss": loss,
    }


def transfer_rows(round_number: int, transfers: Transfers) -> Rows:
    """Return the rows of the ``transfers`` table."""
    return len(transfers.device), {"round": round_number, **vars(transfers)}


def evaluation_row(
    evaluation: "Evaluation", round_number: int, time_s: float, *, air_time_s: float
) -> dict[str, float | None]:
    """Return the row of the ``evaluations`` table."""
    return {
        "round": round_number,
        "time_s": time_s,
        "air_time_s": air_time_s,
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "accuracy_trained": evaluation.accuracy_trained,
        "accuracy_min": evaluation.accuracy_min,
        "accuracy_max": evaluation.accuracy_max,
        "heads_trained": evaluation.heads_trained,
    }
