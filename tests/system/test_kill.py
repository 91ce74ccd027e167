"""Runs killed from outside at random instants: what was saved is there, and the rest comes
again.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.small_runs import COMING_AND_GOING, assert_same_tables, network

from coupling import Scenario, run
from coupling.run_directory import checkpoint
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.schema import TABLES
from coupling.simulation.run import resume
from learner.base import NoLearner
from netsim.streams import Streams


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["coupling.simulation.run", "learner.split_learner"])
    return found


def killed(process: BaseProcess, until: Callable[[], bool], delay_s: float) -> BaseProcess:
    """Kill a process some time after it came so far, unless it ended before."""
    while not until() and process.is_alive():
        time.sleep(0.001)
    time.sleep(delay_s)
    process.kill()
    process.join()
    return process


def saved_parts(folder: Path, scenario: Scenario) -> dict[Path, int]:
    """Check that every part reads and that the checkpoint's hold its rounds; return these and their
    times.
    """
    rounds = {
        name: [
            number
            for part in sorted((folder / name).glob("part-*.parquet"))
            for table in [pq.read_table(part)]
            if "round" in table.column_names
            for number in table["round"].to_pylist()
        ]
        for name in TABLES
    }
    count, battery = scenario.devices.count, scenario.devices.battery
    charge_j = battery.initial_charge_j(count, Streams(scenario.seed)) if battery else None
    initial = RunState.initial(count, 0.0, charge_j)
    found = checkpoint.load(folder, scenario.digest(), initial)
    saved = 0 if found is None else found.state.round
    assert rounds["rounds"][:saved] == list(range(1, saved + 1))
    assert {number for number in rounds["devices"] if number <= saved} == set(range(1, saved + 1))
    counts = {} if found is None else found.state.parts
    parts = [
        folder / name / f"part-{n:06d}.parquet"
        for name, count in counts.items()
        for n in range(count)
    ]
    return {part: part.stat().st_mtime_ns for part in parts}


def check(
    tmp_path: Path, context: ForkServerContext, scenario: Scenario, instants: list[float]
) -> None:
    """Kill a run at shares of its duration, resume it, and compare with an uninterrupted run."""
    whole = tmp_path / "whole"
    process = started(context, run, scenario, whole)
    while not (whole / "scenario.toml").exists():
        time.sleep(0.001)
    began_s = time.perf_counter()
    process.join()
    duration_s = time.perf_counter() - began_s
    saved = []
    for number, instant in enumerate(instants):
        folder, delay_s, exitcode = tmp_path / f"killed-{number}", instant * duration_s, 0
        while exitcode != -signal.SIGKILL:  # a run that was faster than its killer is killed sooner
            folder = folder.with_name(f"{folder.name}x")
            begun = folder / "scenario.toml"
            ended = killed(started(context, run, scenario, folder), begun.exists, delay_s)
            exitcode, delay_s = ended.exitcode or 0, delay_s / 2
        saved.append(saved_parts(folder, scenario))

        started(context, resume, folder).join()

        assert_same_tables(folder, whole)
        assert {part: part.stat().st_mtime_ns for part in saved[-1]} == saved[-1], (
            "it went on, not began again"
        )
    assert any(saved), "some were killed after a checkpoint"


def started(
    context: ForkServerContext, target: Callable[..., Path], *arguments: object
) -> BaseProcess:
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def random_instants(count: int) -> list[float]:
    return list(np.random.Generator(np.random.Philox(6)).uniform(0.0, 1.0, count))


@pytest.mark.parametrize("instants", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_a_network_killed_at_any_instant_goes_on_to_the_same_tables(
    tmp_path: Path, context: ForkServerContext, instants: int
) -> None:
    """Checkpoints every second round: most instants lie within the writing of one."""
    scenario = network(tmp_path, rounds=40, every=2)

    check(tmp_path, context, scenario, random_instants(instants))


def test_batteries_of_a_run_killed_at_any_instant_go_on_to_the_same_tables(
    tmp_path: Path, context: ForkServerContext
) -> None:
    scenario = network(tmp_path, rounds=40, every=2, devices=COMING_AND_GOING)

    check(tmp_path, context, scenario, random_instants(3))


@pytest.mark.parametrize("instants", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_learning_killed_at_any_instant_goes_on_to_the_same_tables(
    tmp_path: Path, context: ForkServerContext, tiny_learner_table: dict[str, object], instants: int
) -> None:
    scenario = network(tmp_path, rounds=20, every=4, learner=tiny_learner_table)

    check(tmp_path, context, scenario, random_instants(instants))


def test_a_run_killed_while_it_goes_on_can_go_on_again(
    tmp_path: Path, context: ForkServerContext
) -> None:
    scenario = network(tmp_path, rounds=40, every=2)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    run(scenario, whole)
    killed(started(context, run, scenario, folder), lambda: has_parts(folder, 4), 0.0)
    killed(started(context, resume, folder), lambda: has_parts(folder, 9), 0.0)
    before = saved_parts(folder, scenario)

    started(context, resume, folder).join()

    assert_same_tables(folder, whole)
    assert {part: part.stat().st_mtime_ns for part in before} == before


def test_no_checkpoint_shows_up_before_it_is_complete(tmp_path: Path) -> None:
    """Whenever a step of ``save`` fails, what ``load`` finds is the former state or the new one."""
    scenario = network(tmp_path)
    run(scenario, tmp_path / "run")
    state = RunState.initial(scenario.devices.count, 0.0)
    state.parts = dict.fromkeys(TABLES, 0)
    checkpoint.save(tmp_path / "run", state, NoLearner(), policy={}, digest=scenario.digest())

    def no_space(folder: Path) -> None:
        raise OSError("no space")

    full = NoLearner()
    full.save = no_space
    state.round = 1
    with pytest.raises(OSError, match="no space"):
        checkpoint.save(tmp_path / "run", state, full, policy={}, digest=scenario.digest())

    found = checkpoint.load(tmp_path / "run", scenario.digest(), state)
    assert found is not None
    assert found.state.round == 0


def has_parts(folder: Path, count: int) -> bool:
    return (folder / "rounds" / f"part-{count - 1:06d}.parquet").exists()
