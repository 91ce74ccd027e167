"""Feasibility warning: uplink time of the median device against the delay budget."""

import math
from pathlib import Path

import pytest
from support.command_line import Airtune

from coupling import Scenario
from coupling.simulation.feasibility import warnings

# Gains 1, 1/8 and 1/1000 by a power law of exponent 3, so the median device has 1/8.
THREE = {
    "devices.count": 3,
    "devices.placement": {
        "kind": "points",
        "positions_m": [[10.0, 0.0], [0.0, 20.0], [100.0, 0.0]],
    },
    "channel.path_loss.exponent": 3.0,
    "scheduler.delay_budget_s_per_bit": 1.0,
}
# Capacity floor of the median device per bit, N0 ln2 / (P g), in seconds.
FLOOR_S = 1e-11 * math.log(2) / (1 / 8)
PHASED = {
    "cell.downlink_bandwidth_hz": 1e6,
    "cell.server_tx_power_w": 1.0,
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 70.0, "feature": 900.0, "gradient": 30.0},
    },
}


def lines(folder: Path, **overrides: object) -> list[str]:
    return warnings(Scenario.load(folder / "network.toml", THREE | overrides))


@pytest.mark.parametrize(("share", "warned"), [(0.999, 1), (1.001, 0)])
def test_it_warns_only_if_the_median_capacity_floor_exceeds_the_budget(
    share: float, warned: int, folder: Path
) -> None:
    assert len(lines(folder, **{"scheduler.delay_budget_s_per_bit": share * FLOOR_S})) == warned


@pytest.mark.parametrize(("share", "warned"), [(0.999, 1), (1.001, 0)])
def test_a_feature_on_the_downlink_does_not_count(share: float, warned: int, folder: Path) -> None:
    # The budget per bit counts all 1,000 bits, of which the device sends 100.
    budget = {"scheduler.delay_budget_s_per_bit": share * FLOOR_S / 10}

    assert len(lines(folder, **PHASED, **budget)) == warned


def test_twice_the_power_halves_the_floor(folder: Path) -> None:
    half = {"devices.tx_power_w": 2.0, "scheduler.delay_budget_s_per_bit": 0.51 * FLOOR_S}

    assert lines(folder, **half) == []


def test_gains_of_a_trace_count_without_a_path_loss(folder: Path) -> None:
    (folder / "gains.csv").write_text("block,device,gain\n0,0,1.0\n0,1,0.125\n0,2,0.001\n")
    (folder / "recorded.toml").write_text(
        (folder / "network.toml")
        .read_text()
        .replace('path_loss = { kind = "power_law", exponent = 3.5, reference_m = 10.0 }', "")
        .replace('fading = { kind = "rayleigh" }', 'gains = { path = "gains.csv" }')
    )
    recorded = {key: value for key, value in THREE.items() if "path_loss" not in key}

    warned = [
        warnings(
            Scenario.load(
                folder / "recorded.toml",
                recorded | {"scheduler.delay_budget_s_per_bit": share * FLOOR_S},
            )
        )
        for share in (0.999, 1.001)
    ]

    assert [len(entry) for entry in warned] == [1, 0]


def test_validate_warns_in_one_line_and_accepts_the_file(folder: Path, airtune: Airtune) -> None:
    answer = airtune("validate", "network.toml")

    assert (answer.status, answer.out.splitlines()[0]) == (0, "network.toml: valid")
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("warning: the median device needs 5")
    assert "the delay budget is 51.9 s" in answer.err
