"""Round states and records: every field follows from the tables of the run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.command_line import NETWORK
from support.phased_runs import phased

import coupling
from coupling import Scenario, Simulation
from netsim.scheduling import Allocation, RoundRecord, RoundState

BATTERIES = {
    "devices__count": 6,
    "devices__battery": {"capacity_j": 900.0, "initial": [0.2, 1.0]},
    "devices__compute": {"speed_per_s": 1e9},
    "devices__mobility": {"kind": "random_waypoint", "speed_mps": [1.0, 2.0]},
    "devices__availability": {"kind": "markov", "mean_on_s": 300.0, "mean_off_s": 60.0},
    "protocol__deadline_s": 30.0,
    "rounds": 40,
}


def stepped(scenario: Scenario) -> list[tuple[RoundState, RoundRecord]]:
    """Return the states and records of a run in which all offered devices take part."""
    simulation = Simulation(scenario, learning=False)
    pairs = []
    while (state := simulation.observe()) is not None:
        chosen = np.arange(len(state.device))
        answer = Allocation.equal_finish(state, chosen) if len(chosen) else Allocation.empty()
        pairs.append((state, simulation.step(answer)))
    return pairs


def rows(record: RoundRecord, table: str) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(dict(columns)) for _, columns in record.tables[table]])


def test_the_state_has_the_devices_table_of_its_round(tmp_path: Path) -> None:
    scenario = phased(tmp_path, **BATTERIES)

    for state, record in stepped(scenario):
        table = rows(record, "devices").set_index("device")
        offered = table.loc[state.device]
        assert state.available is not None
        assert state.available.tolist() == table.available.tolist()
        assert state.device.tolist() == table.index[table.available].tolist()
        assert np.array_equal(state.battery_j, offered.battery_j)
        assert np.array_equal(state.position_m, offered[["x_m", "y_m"]])
        assert np.array_equal(state.distance_m, offered.distance_m)
        assert np.array_equal(state.speed_per_s, np.full(len(offered), 1e9))
        assert state.deadline_s == 30.0


def test_arrivals_are_counted_from_the_rounds_before(tmp_path: Path) -> None:
    scenario = phased(tmp_path, **BATTERIES)
    last: dict[int, int] = {}
    waited = 0

    for state, record in stepped(scenario):
        expected = [state.round - last.get(device, np.nan) for device in state.device.tolist()]
        assert np.array_equal(state.rounds_since_arrival, expected, equal_nan=True)
        waited += sum(value > 1 for value in expected)
        last |= dict.fromkeys(record.scheduled[record.arrived].tolist(), record.round)

    assert waited > 0
    assert len(last) > 1


def test_the_record_has_the_numbers_of_its_tables(tmp_path: Path) -> None:
    for state, record in stepped(phased(tmp_path, **BATTERIES)):
        row = dict(record.tables["rounds"][0][1])
        assert (record.round, record.time_s) == (row["round"], row["end_s"])
        assert len(record.scheduled) == row["scheduled"]
        assert record.arrived.sum() == row["arrived"]
        assert (record.delay_s, record.energy_j) == (row["delay_s"], row["energy_j"])
        assert (record.objective, record.virtual_queue_s) == (
            row["objective"],
            row["virtual_queue_s"],
        )
        assert state.virtual_queue_s == row["virtual_queue_before_s"]
        assert record.evaluation is None


def test_learning_gives_losses_norms_and_the_evaluation_of_the_round(
    tmp_path: Path, tiny_learner: str
) -> None:
    (tmp_path / "learning.toml").write_text(NETWORK + tiny_learner)
    scenario = Scenario.load(tmp_path / "learning.toml", {"rounds": 4})
    states: list[RoundState] = []
    records: list[RoundRecord] = []
    simulation = Simulation(scenario)
    while (state := simulation.observe()) is not None:
        states.append(state)
        records.append(simulation.step(Allocation.equal_finish(state, np.array([0, 2]))))

    assert np.isnan(states[0].last_loss).all()
    losses = rows(records[0], "devices").set_index("device").loss
    assert np.array_equal(states[1].last_loss, losses, equal_nan=True)
    assert np.isfinite(states[1].last_gradient_norm).tolist() == [True, False, True, False]
    assert (states[1].last_gradient_norm[[0, 2]] > 0).all()
    assert states[0].samples.sum() == simulation.learner.partition.sizes.sum()
    evaluated = [record.evaluation is not None for record in records]
    assert evaluated == [False, True, False, True]


def test_the_last_record_has_the_last_accuracy_of_the_table(
    tmp_path: Path, tiny_learner: str
) -> None:
    (tmp_path / "learning.toml").write_text(NETWORK + tiny_learner)
    scenario = Scenario.load(tmp_path / "learning.toml", {"rounds": 4})
    records: list[RoundRecord] = []

    result = coupling.run(scenario, on_round=records.append)

    assert records[-1].evaluation is not None
    assert records[-1].evaluation["accuracy"] == result.evaluations.accuracy.iloc[-1]
    assert records[-1].evaluation["round"] == 4
    assert result.evaluations["round"].tolist() == [0, 2, 4]


def test_a_policy_cannot_write_into_the_state(tmp_path: Path) -> None:
    state = Simulation(phased(tmp_path, **BATTERIES), learning=False).observe()

    assert state is not None
    for name in ("gain", "battery_j", "position_m", "available", "last_loss"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(state, name)[0] = 0
