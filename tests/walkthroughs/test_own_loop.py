"""Walk-through: a loop of one's own over ``observe`` and ``step``."""

import time
from pathlib import Path

import pyarrow as pa
import pytest
from support.phased_runs import network_with, phased

import coupling
from coupling import RunError, Scenario, Simulation
from coupling.run_directory.schema import TABLES, WALL_CLOCK
from coupling.simulation.observers import TableMemory
from netsim.scheduling import Allocation, create


@pytest.fixture(params=["aggregate", "phased"])
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    """Return a small network whose policy is the optimum of P1."""
    base = phased(tmp_path) if request.param == "phased" else network_with(tmp_path, "")
    return base.with_overrides({"scheduler.kind": "exact", "rounds": 40, "devices.count": 8})


def driven(scenario: Scenario) -> TableMemory:
    """Return the tables of a run that this loop drives with ``exact``."""
    policy = create("exact", objective=scenario.scheduler.objective)
    simulation = Simulation(scenario)
    memory = TableMemory()
    memory.on_start(simulation.initial_tables())
    while (state := simulation.observe()) is not None:
        memory.on_round(simulation.step(policy.schedule(state)))
    return memory


def without_wall_clock(table: pa.Table) -> pa.Table:
    return table.drop_columns([name for name in table.column_names if name in WALL_CLOCK])


def test_an_external_loop_leaves_the_tables_of_a_run(scenario: Scenario, tmp_path: Path) -> None:
    tables = driven(scenario).tables()

    result = coupling.run(scenario, tmp_path / "run")

    for name in TABLES:
        assert without_wall_clock(tables[name]).equals(without_wall_clock(result.arrow(name))), name
    assert tables["rounds"].num_rows == 40


def test_the_state_stays_the_same_until_the_step(scenario: Scenario) -> None:
    simulation = Simulation(scenario)
    first = simulation.observe()

    assert first is not None
    assert simulation.observe() is first
    record = simulation.step(Allocation.empty())
    second = simulation.observe()

    assert record.round == 1
    assert record.scheduled.size == 0
    assert second is not None
    assert second.round == 2
    assert (second.gain != first.gain).any()


def test_a_step_needs_an_observation_and_a_valid_allocation(scenario: Scenario) -> None:
    simulation = Simulation(scenario)
    with pytest.raises(RuntimeError, match=r"step\(\) follows observe\(\)"):
        simulation.step(Allocation.empty())

    state = simulation.observe()
    assert state is not None
    whole = Allocation.equal_finish(state, state.rank_by_gain())
    twice = Allocation(whole.devices, 2 * whole.bandwidth_hz, whole.delay_s)
    with pytest.raises(RunError, match=r"round 1: bandwidths sum to .* more than the band"):
        simulation.step(twice)

    assert simulation.step(whole).round == 1


def test_a_run_ends_with_none(scenario: Scenario) -> None:
    simulation = Simulation(scenario.with_overrides({"rounds": 2}))
    for _ in range(2):
        assert simulation.observe() is not None
        simulation.step(Allocation.empty())

    assert simulation.observe() is None
    with pytest.raises(RuntimeError):
        simulation.step(Allocation.empty())


@pytest.mark.slow
def test_an_external_loop_costs_at_most_a_tenth_more(scenario: Scenario, tmp_path: Path) -> None:
    longer = scenario.with_overrides({"rounds": 400})
    ratios = []
    for number in range(7):
        start_s = time.process_time()
        driven(longer)
        middle_s = time.process_time()
        coupling.run(longer, tmp_path / f"run-{number}")
        ratios.append((middle_s - start_s) / (time.process_time() - middle_s))

    assert sorted(ratios)[3] <= 1.1
