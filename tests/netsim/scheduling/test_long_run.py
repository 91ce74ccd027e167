"""Closed loops in the paper's radio: what the virtual queue promises, and which policy schedules
more devices.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.scheduling_states import LongRun, long_run, paper_gains

from netsim.scheduling import create

ROUNDS = (500, 2000, 8000)


@cache
def backlog(kind: str, zeta: str) -> tuple[float, ...]:
    """Return Q(T) / (T budget) after some numbers of rounds; the queue starts at 5 budgets."""
    options: dict[str, Any] = {} if kind == "all_in" else {"zeta": {"kind": zeta}}
    queue = long_run(create(kind, **options), paper_gains(1, 20, ROUNDS[-1]), initial=5.0).queue
    return tuple(float(queue[rounds - 1] / rounds) for rounds in ROUNDS)


def falls_like_the_root_of_time(shares: tuple[float, ...]) -> bool:
    slope = np.polyfit(np.log(ROUNDS), np.log(shares), 1)[0]
    return bool(-0.6 < slope < -0.4)


@pytest.mark.parametrize("kind", ["algorithm1", "exact"])
def test_with_a_descending_zeta_the_overdraft_falls_like_root_t(
    kind: str,
) -> None:
    assert falls_like_the_root_of_time(backlog(kind, "inverse_sqrt"))


@pytest.mark.parametrize("kind", ["algorithm1", "exact"])
def test_with_a_constant_zeta_the_overdraft_is_soon_below_2_percent(kind: str) -> None:
    assert backlog(kind, "constant")[-1] < 0.02


def test_scheduling_all_devices_passes_neither_test() -> None:
    shares = backlog("all_in", "none")

    assert not falls_like_the_root_of_time(shares)
    assert shares[-1] > 1


def test_the_full_drift_keeps_the_first_round_short_and_costs_no_devices() -> None:
    gains = paper_gains(1, 20, 1000)

    paper, full = (long_run(create("exact", drift=drift), gains) for drift in ("paper", "full"))

    assert paper.delay[0] == paper.delay.max() > 100
    assert full.delay.max() < 4
    assert full.scheduled.mean() > paper.scheduled.mean()


@cache
def courses(kind: str, budget: float) -> tuple[LongRun, ...]:
    """Return 40 seeds of 500 rounds; the queue starts at 5 budgets, so that the first round does
    not decide.
    """
    return tuple(
        long_run(create(kind), paper_gains(seed, 20, 500), initial=5.0, budget=budget)
        for seed in range(1, 41)
    )


def mean_delay(kind: str, budget: float) -> float:
    return float(np.mean([each.delay.mean() for each in courses(kind, budget)]))


def interval_of_the_gain(kind: str, other: str, budget: float = 1.0) -> tuple[float, float]:
    """Return the paired 95 % interval of how many devices more a policy schedules on average."""
    more = [
        one.scheduled.mean() - two.scheduled.mean()
        for one, two in zip(courses(kind, budget), courses(other, 1.0), strict=True)
    ]
    low, high = stats.t.interval(0.95, len(more) - 1, np.mean(more), stats.sem(more))
    return float(low), float(high)


def test_algorithm_1_schedules_more_than_greedy_and_greedy_more_than_aaba() -> None:
    assert interval_of_the_gain("algorithm1", "greedy")[0] > 0
    assert interval_of_the_gain("greedy", "aaba")[0] > 0


def test_exact_schedules_more_than_algorithm_1_at_equal_mean_delay() -> None:
    target, budget = mean_delay("algorithm1", 1.0), 0.88
    while abs(mean_delay("exact", budget) / target - 1) > 0.02:
        budget *= target / mean_delay("exact", budget)

    assert interval_of_the_gain("exact", "algorithm1", budget)[0] > 0
