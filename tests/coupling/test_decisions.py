"""Decisions table: parts of the objective, the optimum of P1 and marginal objectives."""

from pathlib import Path

import numpy as np
import pandas as pd
from support.command_line import NETWORK, dotted

from coupling import Scenario, run
from netsim.allocation import common_delay


def tables(folder: Path, **changes: object) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    (folder / "network.toml").write_text(NETWORK)
    overrides = dotted(changes)
    run(Scenario.load(folder / "network.toml", overrides), folder / "run")
    return tuple(
        pd.read_parquet(folder / "run" / name) for name in ("decisions", "rounds", "devices")
    )


def test_the_objective_is_its_parts(tmp_path: Path) -> None:
    decisions, rounds, _ = tables(tmp_path, rounds=40)

    budget_s = 51.904512
    np.testing.assert_allclose(decisions.zeta, np.arange(1, 41) ** -0.5)
    queue = rounds.virtual_queue_before_s
    delay = decisions.delay_predicted_s
    np.testing.assert_allclose(
        decisions.drift, (queue * delay + delay**2 / 2) / budget_s**2, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        decisions.objective_predicted, -decisions.penalty - decisions.zeta * decisions.drift
    )
    pd.testing.assert_series_equal(decisions.objective, rounds.objective)
    pd.testing.assert_series_equal(decisions.scheduled, rounds.scheduled)
    assert (decisions.band_residual.dropna() < 1e-12).all()
    assert decisions.band_residual.isna().equals(decisions.scheduled == 0)
    assert decisions.optimum_objective.isna().all()


def test_no_policy_beats_the_optimum_and_the_gap_of_algorithm_1_is_visible(tmp_path: Path) -> None:
    decisions, _, _ = tables(
        tmp_path, rounds=200, scheduler__diagnose=True, scheduler__drift="paper", devices__count=12
    )

    gap = decisions.optimum_objective - decisions.objective_predicted
    assert (gap > -1e-9).all()
    assert (gap > 1e-3).any(), "the early stops of Algorithm 1 must be visible"
    assert (decisions.optimum_scheduled >= decisions.scheduled).all()


def test_exact_is_its_own_optimum(tmp_path: Path) -> None:
    decisions, _, _ = tables(tmp_path, rounds=50, scheduler__diagnose=True, scheduler__kind="exact")

    np.testing.assert_allclose(decisions.optimum_objective, decisions.objective_predicted)
    assert (decisions.optimum_scheduled == decisions.scheduled).all()


def test_the_marginal_objective_is_the_change_of_j_by_the_device(tmp_path: Path) -> None:
    decisions, rounds, devices = tables(
        tmp_path, rounds=30, scheduler__diagnose="devices", scheduler__kind="exact"
    )

    unscheduled = devices[~devices.scheduled]
    assert devices[devices.scheduled].marginal_objective.isna().all()
    assert len(unscheduled) > 10
    assert (unscheduled.marginal_objective <= 1e-9).all(), (
        "no device that the optimum leaves out would raise J"
    )
    row = unscheduled.iloc[len(unscheduled) // 2]
    joint_set = devices[
        (devices["round"] == row["round"]) & (devices.scheduled | (devices.device == row.device))
    ]
    delay_s, _ = common_delay.min_delay(
        51_904_512, joint_set.gain.to_numpy(), 10e6, noise_psd=1e-11
    )
    round_row = rounds.set_index("round").loc[row["round"]]
    budget_s = 51.904512
    zeta = row["round"] ** -0.5
    joint_objective = (
        len(joint_set)
        - zeta * (round_row.virtual_queue_before_s * delay_s + delay_s**2 / 2) / budget_s**2
    )
    objective = decisions.set_index("round").objective_predicted.loc[row["round"]]
    np.testing.assert_allclose(row.marginal_objective, joint_objective - objective, rtol=1e-9)
