"""Heights of server and devices: distances and path loss in space."""

from pathlib import Path

import numpy as np
import pytest
from support.command_line import NETWORK

import airtune
from airtune import Scenario, ScenarioError
from analysis import Run


def run(folder: Path, **changes: object) -> Run:
    """Return a run of the small network without fading, with changed keys."""
    (folder / "net.toml").write_text(NETWORK)
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return airtune.run(
        Scenario.load(folder / "net.toml", {"channel.fading": {"kind": "none"}, **keys})
    )


def test_distance_and_gain_are_those_in_space(tmp_path: Path) -> None:
    flat = run(tmp_path).devices
    high = run(tmp_path, cell__height_m=430.0, devices__height_m=30.0).devices

    ground_m = np.hypot(high.x_m, high.y_m)
    assert flat.distance_m.to_numpy() == pytest.approx(ground_m)
    assert high.distance_m.to_numpy() == pytest.approx(np.hypot(ground_m, 400.0))
    assert high.gain.to_numpy() == pytest.approx((high.distance_m.to_numpy() / 10.0) ** -3.5)


def test_bounds_give_each_device_its_own_height(tmp_path: Path) -> None:
    few = run(tmp_path, devices__height_m=[100.0, 200.0]).devices
    more = run(tmp_path, devices__height_m=[100.0, 200.0], devices__count=6).devices

    def height_m(table: object) -> np.ndarray:
        rows = few if table is few else more
        rows = rows[rows["round"] == 1]
        return np.sqrt(rows.distance_m**2 - rows.x_m**2 - rows.y_m**2).to_numpy()

    assert ((height_m(few) > 100.0) & (height_m(few) < 200.0)).all()
    assert np.ptp(height_m(few)) > 1.0
    assert height_m(more)[:4] == pytest.approx(height_m(few))


def test_moving_devices_keep_their_heights(tmp_path: Path) -> None:
    moving = {"kind": "random_waypoint", "speed_mps": [1.0, 2.0]}
    devices = run(
        tmp_path, cell__height_m=50.0, devices__height_m=[0.0, 9.0], devices__mobility=moving
    ).devices
    rise_m = np.sqrt(devices.distance_m**2 - devices.x_m**2 - devices.y_m**2)

    assert devices.groupby("device").x_m.nunique().min() > 1
    assert rise_m.groupby(devices.device).apply(np.ptp).max() < 1e-6


def test_heights_of_zero_are_a_flat_world(tmp_path: Path) -> None:
    assert run(tmp_path, devices__height_m=0.0).devices.equals(run(tmp_path).devices)


def test_tr38901_has_heights_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("sionna")
    site = {"kind": "tr38901", "scenario": "uma", "carrier_hz": 3.5e9}
    with pytest.raises(ScenarioError, match=r"has its own server_height_m and device_height_m"):
        run(tmp_path, channel__path_loss=site, cell__height_m=25.0)


@pytest.mark.parametrize(
    ("heights", "line"),
    [
        ([60, 1.5], "devices.height_m: the lower bound 60.0 exceeds the upper bound 1.5"),
        ([-1, 2], "devices.height_m[0] = -1 is not at least 0"),
        ([1, 2, 3], "devices.height_m = [1, 2, 3] has too many entries: at most 2"),
        ("x", "devices.height_m = 'x' is not a number and is not a list"),
    ],
)
def test_wrong_heights_are_named_by_the_type_they_have(heights: object, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.load("paper/base", {"devices.height_m": heights})
    assert line in str(caught.value)
    assert "Value error" not in str(caught.value)
