"""Decision rows: the ``decisions`` table, and the marginal objective of each device."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from coupling.run_directory.table_buffer import Values
from coupling.simulation.protocols import Outcome
from netsim import scheduling
from netsim.scheduling import Allocation, Objective, RoundState


def decision_row(
    state: RoundState,
    allocation: Allocation,
    outcome: Outcome,
    *,
    objective: Objective,
    optimum: bool,
) -> dict[str, Values]:
    """Return the row of the ``decisions`` table, except the queue afterwards and the wall time.

    With ``optimum`` P1 is solved exactly, too.
    """
    count = len(allocation.devices)
    delay_s = float(outcome.air_s.max(initial=0.0))
    predicted = float(objective.value(count, allocation.delay_s, state))
    zeta = objective.zeta.at(state.round)
    used_hz = float(allocation.bandwidth_hz.sum())
    best = _optimum(state, objective) if optimum else None
    return {
        "round": state.round,
        "scheduled": count,
        "objective_predicted": predicted,
        "objective": float(objective.value(count, delay_s, state)),
        "penalty": -count,
        "drift": (count - predicted) / zeta,
        "zeta": zeta,
        "virtual_queue_before_s": state.virtual_queue_s,
        "delay_predicted_s": allocation.delay_s,
        "delay_s": delay_s,
        "optimum_scheduled": None if best is None else best[0],
        "optimum_objective": None if best is None else best[1],
        # The certificate is about the uplink's delay alone.
        "objective_bound": allocation.objective_bound if state.downlink_bits is None else None,
        "iterations": allocation.iterations,
        "band_residual": abs(used_hz - state.bandwidth_hz) / state.bandwidth_hz if count else None,
    }


def marginal_objectives(
    state: RoundState, allocation: Allocation, objective: Objective
) -> Float[ndarray, " n"]:
    """Return the change of J for each offered device if it joined the scheduled ones.

    The joint set gets its minimum common delay. NaN for devices that are scheduled or have zero
    gain.
    """
    chosen = np.searchsorted(state.device, allocation.devices)
    present = float(objective.value(len(chosen), allocation.delay_s, state))
    change = np.full(len(state.gain), np.nan)
    for position in np.setdiff1d(np.flatnonzero(state.gain > 0), chosen).tolist():
        delay_s, _ = state.min_delay(np.append(chosen, position))
        change[position] = float(objective.value(len(chosen) + 1, delay_s, state)) - present
    return change


def _optimum(state: RoundState, objective: Objective) -> tuple[int, float]:
    """Return N and J of the optimum of P1 for the state that the policy saw."""
    if not len(state.device):
        return 0, 0.0
    best = scheduling.create("exact", objective=objective).schedule(state)
    return len(best.devices), float(objective.value(len(best.devices), best.delay_s, state))
