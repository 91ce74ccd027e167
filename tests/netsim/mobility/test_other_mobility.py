from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from netsim.errors import NetworkInputError
from netsim.mobility import GaussMarkov, PositionTrace, Road
from netsim.placement import Disc, Grid, Line
from netsim.streams import Streams

WIDE = Disc(radius_m=1e7)
"""Size of a region in which almost no device is reflected."""
LINE = Line(start_m=(100.0, 0.0), end_m=(100.0, 400.0))


def test_gauss_markov_velocity_has_its_mean_variance_and_correlation() -> None:
    count, tau_s, sigma_mps = 40_000, 20.0, 3.0
    model = GaussMarkov(
        sigma_mps=sigma_mps, correlation_time_s=tau_s, mean_velocity_mps=(2.0, 0.0), step_s=2.0
    )
    motion = model.motion(WIDE, count, Streams(5))
    at = np.array([motion.positions(time_s) for time_s in (0.0, 1.0, 20.0, 21.0, 60.0, 61.0)])
    velocity = np.stack([at[1] - at[0], at[3] - at[2], at[5] - at[4]])

    for moment in velocity:
        half_width = 4 * sigma_mps / np.sqrt(count)
        assert half_width < 0.05 * 2.0
        assert (abs(moment.mean(axis=0) - [2.0, 0.0]) < half_width).all()
        assert (abs(moment.var(axis=0) / sigma_mps**2 - 1) < 4 * np.sqrt(2 / count)).all()
    for lag_s, (first, second) in (
        (20.0, velocity[:2]),
        (40.0, velocity[1:]),
        (60.0, velocity[::2]),
    ):
        found = np.mean((first - [2.0, 0.0]) * (second - [2.0, 0.0]), axis=0) / sigma_mps**2
        assert (abs(found - np.exp(-lag_s / tau_s)) < 4 * np.sqrt(2 / count)).all()
    assert 4 * np.sqrt(2 / count) < 0.05


def test_gauss_markov_devices_stay_in_the_box_and_uniform_in_it() -> None:
    model = GaussMarkov(sigma_mps=20.0, correlation_time_s=5.0)
    motion = model.motion(Grid(spacing_m=1.0, columns=101, rows=51), 5151, Streams(6))

    for time_s in (0.0, 33.3, 200.0):
        x, y = motion.positions(time_s).T
        assert x.min() >= 0
        assert x.max() <= 100
        assert y.min() >= 0
        assert y.max() <= 50
    assert stats.kstest(x / 100, "uniform").pvalue > 0.001
    assert stats.kstest(y / 50, "uniform").pvalue > 0.001


def test_gauss_markov_in_a_disc_keeps_to_the_square_around_it() -> None:
    motion = GaussMarkov(sigma_mps=20.0, correlation_time_s=5.0).motion(
        Disc(center_m=(300.0, 0.0), radius_m=50.0), 1000, Streams(6)
    )

    assert (abs(motion.positions(500.0) - [300.0, 0.0]) <= 50.0).all()


def test_a_vehicle_keeps_its_speed_and_enters_again_at_the_other_end() -> None:
    motion = Road(speed_mps=(10.0, 10.0), direction="forward").motion(LINE, 50, Streams(2))
    start = LINE.positions(50, Streams(2))[:, 1]

    assert motion.positions(0.0)[:, 1] == pytest.approx(start)
    assert motion.positions(13.0)[:, 1] == pytest.approx((start + 130.0) % 400.0)
    assert motion.positions(40.0)[:, 1] == pytest.approx(start)
    assert (motion.positions(7.0)[:, 0] == 100.0).all()


def test_half_of_the_vehicles_drive_back_and_all_stay_uniform() -> None:
    count = 20_000
    motion = Road(speed_mps=(10.0, 30.0)).motion(LINE, count, Streams(2))
    velocity = (motion.positions(1e-6) - motion.positions(0.0))[:, 1] / 1e-6
    velocity = velocity[abs(velocity) < 100.0]

    assert abs((velocity < 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(count) < 0.05
    assert stats.kstest((abs(velocity) - 10.0) / 20.0, "uniform").pvalue > 0.001
    assert stats.kstest(motion.positions(1234.5)[:, 1] / 400.0, "uniform").pvalue > 0.001


def test_a_trace_is_straight_between_its_rows_and_static_outside(tmp_path: Path) -> None:
    path = str(tmp_path / "trace.csv")
    rows = [(1, 10.0, 0.0, 0.0), (0, 5.0, 7.0, 7.0), (1, 20.0, 100.0, -50.0), (1, 30.0, 100.0, 0.0)]
    pd.DataFrame(rows, columns=["device", "time_s", "x_m", "y_m"]).to_csv(path, index=False)
    motion = PositionTrace(path=path).motion(LINE, 2, Streams(1))

    assert motion.positions(0.0).tolist() == [[7, 7], [0, 0]]
    assert motion.positions(10.0).tolist() == [[7, 7], [0, 0]]
    assert motion.positions(12.5).tolist() == [[7, 7], [25, -12.5]]
    assert motion.positions(20.0).tolist() == [[7, 7], [100, -50]]
    assert motion.positions(25.0).tolist() == [[7, 7], [100, -25]]
    assert motion.positions(99.0).tolist() == [[7, 7], [100, 0]]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([(0, 1.0), (0, 1.0), (1, 1.0)], r"places device 0 twice at time_s = 1"),
        ([(0, 1.0), (2, 1.0)], r"has no device 1; 2 devices need the numbers 0 to 1"),
    ],
)
def test_a_trace_with_a_repeated_row_or_a_missing_device_is_refused(
    tmp_path: Path, rows: list[tuple[int, float]], problem: str
) -> None:
    path = str(tmp_path / "trace.csv")
    pd.DataFrame(rows, columns=["device", "time_s"]).assign(x_m=0.0, y_m=0.0).to_csv(
        path, index=False
    )

    with pytest.raises(NetworkInputError, match=problem) as refused:
        PositionTrace(path=path).motion(LINE, 2, Streams(1))
    assert refused.value.key == "devices.mobility.path"
