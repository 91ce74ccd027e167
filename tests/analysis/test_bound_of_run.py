"""Theorem 1 for a run: constants of the run, and conditions that it meets or fails."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.written_runs import SCENARIO, four_rounds, write_run

import analysis
from analysis.bound import Constants, of_run, uniform_selection
from analysis.bound.conditions import uniform_chance
from analysis.bound.constants import observed_polyak

LEARNER: dict[str, Any] = {"learner": {"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0}}}
GIVEN: dict[str, float] = {
    "smoothness": 2.0,
    "gradient_variance": 0.5,
    "diversity": 0.1,
    "lora_size": 5,
    "head_size": 2,
}


def test_a_run_gives_step_devices_gap_and_contraction(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run", LEARNER))

    result = Constants.from_run(run, minimum_loss=0.1, **GIVEN)

    assert (result.step, result.devices, result.lora_size) == (0.1, 3, 5)
    assert result.initial_gap == pytest.approx(0.6)


def test_the_observed_contraction_by_hand(tmp_path: Path) -> None:
    # The gap falls by 0.8 in every round with devices; round 4 has none. So (1 - tau 0.1) = 0.8.
    losses = {
        "round": [0, 2, 3, 4],
        "time_s": [0.0] * 4,
        "loss": [1.0, 0.64, 0.512, 0.512],
        "accuracy": [0.5] * 4,
    }
    rounds = {"round": [1, 2, 3, 4], "arrived": [1, 1, 1, 0], "scheduled": [1, 1, 1, 0]}
    run = analysis.load(
        write_run(tmp_path / "run", {"rounds": rounds, "evaluations": losses}, LEARNER)
    )

    assert observed_polyak(run) == pytest.approx(2.0)


def test_constants_that_a_trace_lacks_must_be_given(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run", LEARNER))

    with pytest.raises(
        analysis.ConstantError, match="smoothness is not known: a trace holds losses, not gradients"
    ):
        Constants.from_run(
            run, **{key: value for key, value in GIVEN.items() if key != "smoothness"}
        )
    with pytest.raises(
        analysis.ConstantError,
        match="lipschitz is no constant of Theorem 1; known here: step, devices",
    ):
        Constants.from_run(run, lipschitz=1.0)


def test_the_bound_of_a_run_follows_its_rounds(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run", LEARNER))
    constants = Constants.from_run(run, **GIVEN)

    result = of_run(run, constants)

    assert result.table["round"].tolist() == [0, 1, 2, 3, 4]
    assert result.table.gap[4] == result.table.gap[3]  # no device in round 4
    assert result.table.selection[2] > 0


def test_a_lost_gradient_still_lets_the_head_step(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run", LEARNER, arrived=[0, 0, 0, 0]))
    constants = Constants.from_run(run, polyak=1.0, **GIVEN)

    result = of_run(run, constants).table

    assert result.initial.nunique() == 1
    assert (result.selection == 0).all()
    assert result.task_module.tolist() == pytest.approx(
        [0, *np.cumsum([1, 2, 1, 0]) * 0.01 * 0.5 * 2 / 3]
    )


def conditions(result: analysis.bound.Bound) -> dict[str, bool | None]:
    return {condition.name: condition.holds for condition in result.conditions}


def test_conditions_that_fail_are_reported(tmp_path: Path) -> None:
    momentum = {"learner": {"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9}}}
    run = analysis.load(four_rounds(tmp_path / "run", momentum))
    constants = Constants.from_run(run, **{**GIVEN, "smoothness": 11.0})

    result = of_run(run, constants)

    assert conditions(result)["eta L <= 1"] is False
    assert conditions(result)["plain SGD"] is False
    assert conditions(result)["Polyak-Lojasiewicz"] is None
    assert any(condition.holds is False for condition in result.conditions)


def test_another_step_for_the_heads_is_not_plain_sgd(tmp_path: Path) -> None:
    heads = {"learner": {**LEARNER["learner"], "head_optimizer": {"kind": "sgd", "lr": 0.2}}}

    alike = analysis.bound.conditions.plain_sgd(
        analysis.load(four_rounds(tmp_path / "alike", LEARNER))
    )
    other = analysis.bound.conditions.plain_sgd(
        analysis.load(four_rounds(tmp_path / "other", heads))
    )

    assert (alike.holds, other.holds) == (True, False)
    assert other.detail == "kind sgd, lr 0.1, momentum 0.0; heads: kind sgd, lr 0.2"


def test_printed_always_has_a_failing_condition(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run", LEARNER))
    constants = Constants.from_run(run, **{**GIVEN, "smoothness": 1e-6})

    result = of_run(run, constants, "printed")

    assert conditions(result)["L < eta / (eta^2 + 1)"] is True
    assert conditions(result)["L < eta N (K-1) / ((K-1) N eta^2 + K - N)"] is True
    assert any(condition.holds is False for condition in result.conditions)


def many_rounds(folder: Path, chosen: np.ndarray) -> analysis.Run:
    rounds, devices = chosen.shape
    every_round = np.arange(1, rounds + 1)
    tables = {
        "rounds": {"round": every_round, "scheduled": chosen.sum(axis=1)},
        "devices": {
            "round": np.repeat(every_round, devices),
            "device": np.tile(np.arange(devices), rounds),
            "scheduled": chosen.ravel(),
        },
    }
    scenario = {"devices": {**SCENARIO["devices"], "count": devices}}
    return analysis.load(write_run(folder, tables, scenario))


def test_a_preference_for_some_devices_is_found(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(5))
    strength = rng.exponential(size=(400, 10)) * np.linspace(1.0, 1.5, 10)
    strongest = np.argsort(np.argsort(-strength, axis=1), axis=1) < 4

    result = uniform_selection(many_rounds(tmp_path / "run", strongest))

    assert result.holds is False
    assert "chance alone would do this" in result.detail


def test_all_devices_in_every_round_is_uniform(tmp_path: Path) -> None:
    assert uniform_selection(many_rounds(tmp_path / "run", np.ones((5, 4), bool))).holds is True


def test_a_uniform_choice_is_rejected_at_the_stated_rate() -> None:
    rng = np.random.Generator(np.random.Philox(6))
    counts = rng.integers(0, 10, size=200)
    trials = 1000
    chances = [
        uniform_chance(
            (np.argsort(rng.random((200, 10)), axis=1) < counts[:, None]).sum(axis=0), counts, 10
        )
        for _ in range(trials)
    ]

    assert abs(np.mean(np.array(chances) < 0.1) - 0.1) < 4 * (0.09 / trials) ** 0.5
    assert abs(np.mean(np.array(chances) < 0.5) - 0.5) < 4 * (0.25 / trials) ** 0.5
