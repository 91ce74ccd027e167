"""One world for all policies, and the same run for the same seed."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.command_line import NETWORK

import analysis
import coupling
from coupling import Scenario
from coupling.run_directory.schema import TABLES, WALL_CLOCK

WORLD = ["round", "device", "x_m", "y_m", "distance_m", "gain"]


def run(folder: Path, name: str, *, learning: bool = False, **overrides: object) -> Any:
    """Run ``network.toml`` with some keys set, and return the run."""
    source = folder / ("tiny.toml" if learning else "network.toml")
    settings = {"rounds": 12} | {key.replace("__", "."): value for key, value in overrides.items()}
    return analysis.load(
        coupling.run(Scenario.load(source, settings), folder / name, learning=learning)
    )


def tables_of(run: Any) -> dict[str, pd.DataFrame]:
    """Return the tables of a run without the columns that a clock on the wall fills."""
    tables = {
        name: pd.read_parquet(run.path / name)
        for name in TABLES
        if list((run.path / name).iterdir())
    }
    return {
        name: table.drop(columns=[column for column in table if column in WALL_CLOCK])
        for name, table in tables.items()
    }


def assert_same_tables(one: Any, other: Any) -> None:
    first, second = tables_of(one), tables_of(other)
    assert first.keys() == second.keys() >= {"rounds", "devices", "transfers"}
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name], check_exact=True, obj=name)


@pytest.mark.parametrize("policy", ["all_in", "aaba", "greedy", "algorithm1", "exact"])
def test_two_runs_of_a_scenario_and_seed_give_equal_tables(policy: str, folder: Path) -> None:
    one = run(folder, "one", scheduler__kind=policy)
    other = run(folder, "other", scheduler__kind=policy)

    assert one.rounds.scheduled.sum() > 0
    assert_same_tables(one, other)


def test_only_the_columns_that_a_clock_on_the_wall_fills_may_differ() -> None:
    named = {
        column.name for columns in TABLES.values() for column in columns if "wall" in column.name
    }

    assert named == WALL_CLOCK


def test_another_seed_gives_another_world(folder: Path) -> None:
    one, other = run(folder, "one"), run(folder, "other", seed=2)

    assert not set(one.devices.gain) & set(other.devices.gain)
    assert not set(one.devices.x_m) & set(other.devices.x_m)


@pytest.mark.parametrize("policy", ["aaba", "greedy", "algorithm1", "exact"])
def test_two_policies_meet_the_same_world(policy: str, folder: Path) -> None:
    one, other = (
        run(folder, "one", scheduler__kind="all_in"),
        run(folder, "other", scheduler__kind=policy),
    )

    assert not one.rounds.end_s.equals(other.rounds.end_s)
    pd.testing.assert_frame_equal(one.devices[WORLD], other.devices[WORLD], check_exact=True)


def test_another_budget_or_length_of_the_run_leaves_the_world_as_it_is(folder: Path) -> None:
    one = run(folder, "one")
    other = run(folder, "other", rounds=30, scheduler__delay_budget_s_per_bit=1e-7)

    first = other.devices[other.devices["round"] <= 12]
    pd.testing.assert_frame_equal(one.devices[WORLD], first[WORLD], check_exact=True)


@pytest.mark.parametrize("count", [5, 6, 64])
def test_more_devices_leave_the_others_where_they_are_with_the_gains_they_have(
    count: int, folder: Path
) -> None:
    few, many = run(folder, "few"), run(folder, "many", devices__count=count)

    same = many.devices[many.devices.device < 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.devices[WORLD], same[WORLD], check_exact=True)
    assert len(many.devices) == 12 * count


def test_a_learner_changes_nothing_about_the_network(folder: Path, tiny_learner: str) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    alone, with_learner = run(folder, "alone"), run(folder, "with", learning=True)

    pd.testing.assert_frame_equal(
        alone.devices.drop(columns="loss"),
        with_learner.devices.drop(columns="loss"),
        check_exact=True,
    )
    pd.testing.assert_frame_equal(alone.transfers, with_learner.transfers, check_exact=True)
    trained = with_learner.devices.scheduled
    assert with_learner.devices.loss[trained].notna().all()
    assert with_learner.devices.loss[~trained].isna().all()


def test_two_runs_that_learn_give_equal_tables(folder: Path, tiny_learner: str) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    one, other = run(folder, "one", learning=True), run(folder, "other", learning=True)

    assert one.evaluations["round"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert one.evaluations.loss.nunique() > 3
    assert_same_tables(one, other)


def test_the_mean_loss_of_a_round_is_that_of_its_devices(folder: Path, tiny_learner: str) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    trace = run(folder, "run", learning=True)

    by_hand = trace.devices.groupby("round").loss.mean()
    assert trace.rounds.train_loss.tolist() == pytest.approx(
        by_hand.tolist(), rel=1e-12, nan_ok=True
    )
    assert trace.rounds.train_loss.isna().equals(trace.rounds.scheduled == 0)
    times = dict(zip(trace.rounds["round"], trace.rounds.end_s, strict=True)) | {0: 0.0}
    assert trace.evaluations.time_s.tolist() == [
        times[number] for number in trace.evaluations["round"]
    ]


def test_two_policies_give_a_device_the_same_minibatch_in_a_round(
    folder: Path, tiny_learner: str
) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)
    frozen = {
        "learner__lora__frozen": True,
        "learner__optimizer__lr": 1e-12,
        "learner__precision": "float64",
    }

    # With weights that stand still, the loss of a device in a round identifies the samples that it drew.
    everybody = run(folder, "one", learning=True, scheduler__kind="all_in", **frozen).devices
    some = run(folder, "other", learning=True, scheduler__kind="greedy", **frozen).devices

    both = everybody.loss.notna() & some.loss.notna()
    assert 10 < both.sum() < len(everybody)
    assert everybody.loss[both].nunique() == both.sum()
    assert some.loss[both].tolist() == pytest.approx(everybody.loss[both].tolist(), rel=1e-8)
