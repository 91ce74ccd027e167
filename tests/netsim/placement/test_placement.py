from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from netsim.errors import NetworkInputError
from netsim.geometry import Circle, Convex, Rectangle, Segment
from netsim.placement import Annulus, AnyPlacement, Clusters, Disc, Grid, Line, Placement, Points
from netsim.streams import Streams

PLACEMENTS = [
    Disc(center_m=(300.0, 0.0), radius_m=50.0),
    Annulus(inner_radius_m=100.0, outer_radius_m=200.0),
    Grid(corner_m=(-10.0, 5.0), spacing_m=2.5, columns=40, rows=30),
    Clusters(radius_m=400.0, clusters=5, sigma_m=20.0),
    Line(start_m=(0.0, -10.0), end_m=(800.0, 590.0)),
    Points(positions_m=tuple((float(k), float(k * k)) for k in range(1000))),
]
NAMES = [placement.kind for placement in PLACEMENTS]


@pytest.mark.parametrize("placement", PLACEMENTS, ids=NAMES)
def test_another_device_does_not_change_the_places_of_the_others(placement: Placement) -> None:
    few, many = (placement.positions(count, Streams(3)) for count in (17, 1000))

    assert few.shape == (17, 2)
    assert (many[:17] == few).all()


@pytest.mark.parametrize("placement", PLACEMENTS, ids=NAMES)
def test_devices_stand_in_the_box_of_the_region(placement: Placement) -> None:
    position_m = placement.positions(1000, Streams(4))
    box = placement.region().box()
    # Only a cluster may reach beyond its region, here by at most 5 standard deviations.
    slack_m = 100.0 if isinstance(placement, Clusters) else 1e-9

    assert (position_m >= np.array([box.x_m, box.y_m]) - slack_m).all()
    assert (position_m <= np.array([box.x_m + box.width_m, box.y_m + box.height_m]) + slack_m).all()


def uniform_p_value(sample: np.ndarray) -> float:
    """Return the p-value of a uniform law; 20,000 samples detect an error of the distribution
    by 0.014.
    """
    return float(stats.kstest(sample, "uniform").pvalue)


def test_devices_in_a_disc_and_an_annulus_are_uniform_in_area() -> None:
    for placement, inner_m, outer_m in (
        (Disc(center_m=(5.0, 6.0), radius_m=50.0), 0.0, 50.0),
        (Annulus(center_m=(5.0, 6.0), inner_radius_m=30.0, outer_radius_m=50.0), 30.0, 50.0),
    ):
        x, y = (placement.positions(20_000, Streams(5)) - [5.0, 6.0]).T

        area = (x**2 + y**2 - inner_m**2) / (outer_m**2 - inner_m**2)
        assert uniform_p_value(area) > 0.001
        assert uniform_p_value(np.arctan2(y, x) / (2 * np.pi) + 0.5) > 0.001
        assert uniform_p_value(np.sqrt(np.clip(area, 0, 1))) < 1e-6, (
            "the test must see a wrong radius"
        )


def test_a_grid_is_filled_row_by_row_and_refuses_too_many_devices() -> None:
    grid = Grid(corner_m=(1.0, 2.0), spacing_m=10.0, columns=3, rows=2)

    assert grid.positions(5, Streams(1)).tolist() == [[1, 2], [11, 2], [21, 2], [1, 12], [11, 12]]
    assert grid.region() == Rectangle(1.0, 2.0, 20.0, 10.0)
    with pytest.raises(
        NetworkInputError, match="a grid of 2 rows and 3 columns has no room for 7 devices"
    ):
        grid.positions(7, Streams(1))


def test_clusters_are_normal_around_uniform_centres() -> None:
    count, sigma_m = 40_000, 20.0
    placement = Clusters(radius_m=400.0, clusters=4, sigma_m=sigma_m)
    streams = Streams(8)
    # Far apart in this seed, so the nearest centre is the device's own.
    centers_m = placement.centers(streams)
    apart_m = np.hypot(*(centers_m[:, None] - centers_m[None]).T)[~np.eye(4, dtype=bool)]
    assert apart_m.min() > 10 * sigma_m
    offset_m = placement.positions(count, streams)[:, None] - centers_m
    nearest = np.hypot(offset_m[..., 0], offset_m[..., 1]).argmin(axis=1)
    offset_m = offset_m[np.arange(count), nearest]

    half_width = 4 * sigma_m / np.sqrt(2 * count)
    assert half_width < 0.05 * sigma_m
    assert (abs(offset_m.std(axis=0) - sigma_m) < half_width).all()
    assert stats.chisquare(np.bincount(nearest, minlength=4)).pvalue > 0.001
    seeds = [
        Clusters(radius_m=400.0, clusters=1, sigma_m=1.0).centers(Streams(s))[0]
        for s in range(2000)
    ]
    assert uniform_p_value((np.array(seeds) ** 2).sum(axis=1) / 400.0**2) > 0.001


def test_a_line_is_uniform_along_its_road() -> None:
    x, y = Line(start_m=(100.0, 0.0), end_m=(100.0, -50.0)).positions(20_000, Streams(5)).T

    assert (x == 100.0).all()
    assert uniform_p_value(-y / 50.0) > 0.001


def test_points_come_from_a_file_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = str(tmp_path / "points.parquet")
    pd.DataFrame({"device": [2, 0, 1], "x_m": [2.0, 0.0, 1.0], "y_m": [5.0, 3.0, 4.0]}).to_parquet(
        path
    )
    points = Points(path=path)

    assert points.positions(2, Streams(1)).tolist() == [[0, 3], [1, 4]]
    assert points.region() == Rectangle(0.0, 3.0, 2.0, 2.0)
    with pytest.raises(NetworkInputError, match="3 points do not place 4 devices"):
        points.positions(4, Streams(1))


@pytest.mark.parametrize(
    ("devices", "problem"), [([0, 0, 1], "places device 0 twice"), ([0, 2, 7], "has no device 1")]
)
def test_a_file_of_points_with_a_repeated_or_missing_device_is_refused(
    tmp_path: Path, devices: list[int], problem: str
) -> None:
    path = str(tmp_path / "points.csv")
    pd.DataFrame({"device": devices, "x_m": 0.0, "y_m": 1.0}).to_csv(path, index=False)

    with pytest.raises(NetworkInputError, match=problem):
        Points(path=path).positions(2, Streams(1))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "disc", "radius_m": 0.0}, "greater than 0"),
        ({"kind": "disc", "radius_m": 1.0, "radius": 2.0}, "radius"),
        (
            {"kind": "annulus", "inner_radius_m": 2.0, "outer_radius_m": 2.0},
            "outer_radius_m = 2.0 is not above",
        ),
        ({"kind": "line", "start_m": [1, 2], "end_m": [1, 2]}, "are the same point"),
        ({"kind": "points"}, "needs positions_m .* or path"),
        ({"kind": "points", "positions_m": [[0, 1]], "path": "a.csv"}, "and not both"),
        ({"kind": "grid", "spacing_m": 1.0, "columns": 0, "rows": 1}, "greater than or equal to 1"),
        ({"kind": "heap"}, "heap"),
    ],
)
def test_a_bad_placement_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        TypeAdapter(AnyPlacement).validate_python(table)


@pytest.mark.parametrize(
    "region",
    [
        Circle(1.0, 2.0, 3.0),
        Rectangle(0.0, 0.0, 3.0, 7.0),
        Rectangle(0.0, 0.0, 2.0, 0.0),
        Segment(0.0, 0.0, 3.0, 4.0),
    ],
)
def test_the_mean_distance_of_two_points_of_a_region_is_its_closed_form(region: Convex) -> None:
    u = np.random.default_rng(1).random((4, 200_000))
    start, end = np.array(region.points(u[0], u[1])), np.array(region.points(u[2], u[3]))
    apart_m = np.hypot(*(end - start))

    half_width = 4 * apart_m.std() / np.sqrt(apart_m.size)
    assert half_width < 0.01 * region.mean_distance_m()
    assert abs(apart_m.mean() - region.mean_distance_m()) < half_width
    assert apart_m.max() <= region.diameter_m()
