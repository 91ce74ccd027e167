from pathlib import Path

import pytest
from support.written_runs import write_run

import analysis

ROUNDS = {
    "round": [1, 2, 3, 4],
    "start_s": [0.0, 9.0, 11.0, 14.0],
    "end_s": [9.0, 11.0, 14.0, 18.5],
    "scheduled": [3, 0, 1, 1],
    "arrived": [2, 0, 1, 0],
    "delay_s": [9.0, 0.0, 3.0, 4.5],
    "delay_budget_s": [2.0] * 4,
    "virtual_queue_s": [7.0, 5.0, 6.0, 8.5],
    "energy_j": [4.0, 0.0, 1.0, 2.5],
}
DEVICES = {
    "round": [1, 1, 1, 3, 4],
    "device": [0, 1, 2, 0, 0],
    "scheduled": [True] * 5,
}


def test_the_summary_of_four_rounds_by_hand(tmp_path: Path) -> None:
    evaluations = {"round": [0, 2, 4], "accuracy": [0.5, 0.75, 0.625]}
    path = write_run(
        tmp_path / "run",
        {"rounds": ROUNDS, "devices": DEVICES, "evaluations": evaluations},
        parts=2,
    )

    summary = analysis.summary(analysis.load(path))

    expected = {
        "rounds": 4,
        "scheduled_mean": 5 / 4,
        "scheduled_median": 1.0,
        "arrived_mean": 3 / 4,
        "arrived_share": 3 / 5,
        "rounds_without_devices": 1,
        "time_without_devices_s": 11.0 - 9.0,
        "delay_mean_s": 16.5 / 4,
        "delay_median_s": 3.75,
        "delay_budget_s": 2.0,
        "virtual_queue_s": 8.5,
        "virtual_queue_per_budget": 8.5 / (4 * 2.0),
        "energy_j": 7.5,
        "accuracy_first": 0.5,
        "accuracy_last": 0.625,
        "simulated_s": 18.5,
        "air_time_s": 16.5,
        "wall_s": 1.5,
        "run": str(path),
        # Scheduled 3, 1 and 1 times: (3 + 1 + 1)^2 / (3 (9 + 1 + 1)).
        "jain_fairness": pytest.approx(25 / 33, rel=1e-15),
    }
    assert {key: summary[key] for key in expected} == expected


def test_without_a_learner_there_is_no_accuracy(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", {"rounds": ROUNDS, "devices": DEVICES})

    summary = analysis.summary(analysis.load(path))

    assert summary["accuracy_first"] is None
    assert summary["accuracy_last"] is None
