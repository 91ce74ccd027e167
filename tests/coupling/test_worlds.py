"""Equal worlds for all policies, and equal runs for equal seeds."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.command_line import NETWORK, dotted

import analysis
import coupling
from coupling import Scenario
from coupling.run_directory.schema import TABLES, WALL_CLOCK

WORLD = ["round", "device", "x_m", "y_m", "distance_m", "gain"]


def run(folder: Path, name: str, *, learning: bool = False, **overrides: object) -> Any:
    """Run ``network.toml`` with some keys set, and return the run."""
    source = folder / ("tiny.toml" if learning else "network.toml")
    settings = {"rounds": 12} | dotted(overrides)
    return analysis.load(
        coupling.run(Scenario.load(source, settings), folder / name, learning=learning)
    )


def tables_of(run: Any) -> dict[str, pd.DataFrame]:
    """Return the tables of a run without its wall-clock columns."""
    tables = {
        name: pd.read_parquet(run.path / name)
        for name in TABLES
        if list((run.path / name).iterdir())
    }
    return {
        name: table.drop(columns=[column for column in table if column in WALL_CLOCK])
        for name, table in tables.items()
    }


def assert_same_tables(run: Any, reference: Any) -> None:
    tables, expected = tables_of(run), tables_of(reference)
    assert tables.keys() == expected.keys() >= {"rounds", "devices", "transfers"}
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True, obj=name)


@pytest.mark.parametrize("policy", ["all_in", "aaba", "greedy", "algorithm1", "exact"])
def test_two_runs_of_a_scenario_and_seed_give_equal_tables(policy: str, folder: Path) -> None:
    first_run = run(folder, "one", scheduler__kind=policy)
    second_run = run(folder, "other", scheduler__kind=policy)

    assert first_run.rounds.scheduled.sum() > 0
    assert_same_tables(first_run, second_run)


def test_only_wall_clock_columns_may_differ() -> None:
    named = {
        column.name for columns in TABLES.values() for column in columns if "wall" in column.name
    }

    assert named == WALL_CLOCK


def test_another_seed_gives_another_world(folder: Path) -> None:
    first_run, second_run = run(folder, "one"), run(folder, "other", seed=2)

    assert not set(first_run.devices.gain) & set(second_run.devices.gain)
    assert not set(first_run.devices.x_m) & set(second_run.devices.x_m)


@pytest.mark.parametrize("policy", ["aaba", "greedy", "algorithm1", "exact"])
def test_two_policies_meet_the_same_world(policy: str, folder: Path) -> None:
    first_run, second_run = (
        run(folder, "one", scheduler__kind="all_in"),
        run(folder, "other", scheduler__kind=policy),
    )

    assert not first_run.rounds.end_s.equals(second_run.rounds.end_s)
    pd.testing.assert_frame_equal(
        first_run.devices[WORLD], second_run.devices[WORLD], check_exact=True
    )


def test_neither_budget_nor_run_length_changes_the_world(folder: Path) -> None:
    first_run = run(folder, "one")
    second_run = run(folder, "other", rounds=30, scheduler__delay_budget_s_per_bit=1e-7)

    common_rounds = second_run.devices[second_run.devices["round"] <= 12]
    pd.testing.assert_frame_equal(first_run.devices[WORLD], common_rounds[WORLD], check_exact=True)


@pytest.mark.parametrize("count", [5, 6, 64])
def test_more_devices_change_neither_positions_nor_gains_of_the_others(
    count: int, folder: Path
) -> None:
    few, many = run(folder, "few"), run(folder, "many", devices__count=count)

    common_rows = many.devices[many.devices.device < 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.devices[WORLD], common_rows[WORLD], check_exact=True)
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

    first_run, second_run = run(folder, "one", learning=True), run(folder, "other", learning=True)

    assert first_run.evaluations["round"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert first_run.evaluations.loss.nunique() > 3
    assert_same_tables(first_run, second_run)


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

    # The weights stand still, so the loss of a device in a round identifies its minibatch.
    all_devices = run(folder, "one", learning=True, scheduler__kind="all_in", **frozen).devices
    part = run(folder, "other", learning=True, scheduler__kind="greedy", **frozen).devices

    in_both = all_devices.loss.notna() & part.loss.notna()
    assert 10 < in_both.sum() < len(all_devices)
    assert all_devices.loss[in_both].nunique() == in_both.sum()
    assert part.loss[in_both].tolist() == pytest.approx(
        all_devices.loss[in_both].tolist(), rel=1e-8
    )
