"""Warnings about a run: the reason of idle rounds, lost updates, and empty batteries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.written_runs import SCENARIO, write_run

import analysis
from analysis.warnings import warnings
from analysis.warnings.idle_rounds import WITHOUT_QUEUE
from coupling.scenario.tables.scheduler import options_of
from netsim.scheduling import POLICIES

COUNT = 3
ROUNDS: dict[str, Sequence[Any]] = {
    "round": [1, 2, 3, 4],
    "scheduled": [3, 0, 0, 0],
    "arrived": [3, 0, 0, 0],
    "delay_s": [9.0, 0.0, 0.0, 0.0],
    "delay_budget_s": [2.0] * 4,
    "virtual_queue_before_s": [0.0] * 4,
}
QUEUE = {"virtual_queue_before_s": [0.0, 7.0, 5.0, 3.0]}
SCHEDULER = SCENARIO["scheduler"]
BATTERY = {**SCENARIO["devices"], "battery": {"capacity_j": 10.0}}


def warned(
    folder: Path,
    rounds: dict[str, Any],
    scenario: dict[str, Any] | None = None,
    *,
    available: bool = True,
    gain: float = 1e-9,
    known: float | None = None,
    recorded: Sequence[int] = (1, 2, 3, 4),
) -> list[str]:
    """Return the warnings about a run of four rounds, three of them idle."""
    pairs = [(number, device) for number in recorded for device in range(COUNT)]
    devices = {
        "round": [number for number, _ in pairs],
        "device": [device for _, device in pairs],
        "available": [available or number == 1 for number, _ in pairs],
        "scheduled": [number == 1 for number, _ in pairs],
        "gain": [gain] * len(pairs),
        "gain_known": [known] * len(pairs),
    }
    tables = {"rounds": ROUNDS | rounds, "devices": devices}
    return warnings(analysis.load(write_run(folder / "run", tables, scenario)))


IDLE = "75.0% of the rounds scheduled no device: "
FULL = {"scheduler": SCHEDULER | {"drift": "full"}}
START = {"scheduler": SCHEDULER | {"drift": "full", "queue_initial_budgets": 5.0}}


@pytest.mark.parametrize(
    ("rounds", "scenario", "world", "reason"),
    [
        (
            QUEUE,
            {},
            {},
            "the delay of round 1 was 4 budgets, and the virtual queue had to drain; see "
            "scheduler.drift = 'full' and scheduler.queue_initial_budgets",
        ),
        (QUEUE, FULL, {}, "had to drain; see scheduler.queue_initial_budgets"),
        (QUEUE | {"delay_s": [1.0, 0, 0, 0]}, START, {}, "above 0, and began at 5 budgets; see"),
        (QUEUE, {}, {"available": False}, "no device was available"),
        ({}, {"devices": BATTERY}, {"available": False}, "since their batteries were empty"),
        (QUEUE, {}, {"gain": 0.0}, "the gains of all available devices were 0"),
        (QUEUE, {}, {"known": 0.0}, "the gains of all available devices were 0"),
        ({}, {}, {}, "the policy found no set of the available devices within its budget"),
        (QUEUE, {"scheduler": SCHEDULER | {"kind": "aaba"}}, {}, "no set of the available"),
        (QUEUE, {}, {"recorded": [1]}, "the delay of round 1 was 4 budgets"),
        (QUEUE, {"devices": BATTERY}, {"recorded": [1]}, "are not recorded (trace.devices"),
        (QUEUE, {"channel": {"gains": {}}}, {"recorded": [1]}, "are not recorded (trace.devices"),
    ],
)
def test_idle_rounds_have_the_reason_that_caused_them(
    rounds: dict[str, Any],
    scenario: dict[str, Any],
    world: dict[str, Any],
    reason: str,
    tmp_path: Path,
) -> None:
    (line,) = warned(tmp_path, rounds, scenario, **world)

    assert line.startswith(IDLE)
    assert reason in line
    causes = ("queue had to", "above 0", "no device was available", "were 0", "no set", "recorded")
    assert sum(cause in line for cause in causes) == 1


def test_several_reasons_stand_by_their_share(tmp_path: Path) -> None:
    rounds = {"virtual_queue_before_s": [0.0, 7.0, 0.0, 0.0]}

    (line,) = warned(tmp_path, rounds)

    assert line.startswith(
        f"{IDLE}in 50.0% the policy found no set of the available devices within its budget; in "
        "25.0% the delay of round 1 was 4 budgets"
    )


@pytest.mark.parametrize(("scheduled", "count"), [([3, 0, 1, 2], 0), ([3, 0, 0, 2], 0)])
def test_up_to_half_of_the_rounds_may_be_idle(
    scheduled: list[int], count: int, tmp_path: Path
) -> None:
    assert len(warned(tmp_path, {"scheduled": scheduled, "arrived": scheduled})) == count


def test_the_policies_without_a_queue_are_those_without_an_objective() -> None:
    with_one = {name for name in POLICIES if "objective" in options_of(name)}

    assert set(WITHOUT_QUEUE) == set(POLICIES) - with_one


@pytest.mark.parametrize(
    ("arrived", "line"),
    [
        ([2, 0, 1, 1], None),
        (
            [0, 0, 1, 0],
            "20.0% of the scheduled devices arrived (1 of 5); the updates of the others are lost: "
            "of 4 failed transfers 3 late (the deadline passed)",
        ),
    ],
)
def test_less_than_half_of_the_scheduled_devices_arrived(
    arrived: list[int], line: str | None, tmp_path: Path
) -> None:
    tables: dict[str, dict[str, Sequence[Any]]] = {
        "rounds": ROUNDS | {"scheduled": [3, 0, 1, 1], "arrived": arrived},
        "transfers": {"status": ["late", "lost", "delivered", "late", "late"]},
    }

    lines = warnings(analysis.load(write_run(tmp_path / "run", tables)))

    assert lines == ([] if line is None else [line])


@pytest.mark.parametrize(("charge_j", "count"), [(0.11, 0), (0.099, 2)])
def test_an_available_device_with_next_to_no_charge_is_named(
    charge_j: float, count: int, tmp_path: Path
) -> None:
    devices = {
        "round": [1, 1, 2, 2],
        "device": [0, 1, 0, 1],
        "available": [True, True, True, False],
        "battery_j": [9.0, 0.5 * charge_j + 0.05, charge_j, 0.0],
    }
    rounds = ROUNDS | {"scheduled": [3] * 4, "arrived": [3] * 4}
    folder = write_run(
        tmp_path / "run", {"rounds": rounds, "devices": devices}, {"devices": BATTERY}
    )

    lines = warnings(analysis.load(folder))

    assert len(lines) == min(count, 1)
    if count:
        assert "device 0 was available in round 2 with 0.0099 of its" in lines[0]
        assert f"one of {count} such cases below 1%" in lines[0]
