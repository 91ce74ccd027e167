"""Every trajectory: a function of time alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from netsim.errors import NetworkInputError, StalledError
from netsim.mobility import GaussMarkov, PositionTrace, RandomWaypoint, Road, Static, Trajectories
from netsim.mobility.piecewise_linear import Legs, LegSequence, PiecewiseLinearMotion
from netsim.placement import Disc, Line, Placement
from netsim.streams import Streams

DISC = Disc(center_m=(30.0, 0.0), radius_m=50.0)
LINE = Line(start_m=(0.0, 5.0), end_m=(300.0, 405.0))
MODELS: dict[str, Callable[[int, Streams], Trajectories]] = {
    "static": lambda count, streams: Static().motion(DISC, count, streams),
    "waypoint": lambda count, streams: RandomWaypoint(speed_mps=(1.0, 9.0), pause_s=3.0).motion(
        DISC, count, streams
    ),
    "waypoint on a line": lambda count, streams: RandomWaypoint(speed_mps=(2.0, 2.0)).motion(
        LINE, count, streams
    ),
    "gauss_markov": lambda count, streams: GaussMarkov(
        sigma_mps=5.0, correlation_time_s=10.0, step_s=1.7
    ).motion(DISC, count, streams),
    "road": lambda count, streams: Road(speed_mps=(10.0, 30.0)).motion(LINE, count, streams),
    "trace": lambda count, streams: PositionTrace(path=recording()).motion(DISC, count, streams),
}
_FILE: list[str] = []


def recording() -> str:
    return _FILE[0]


@pytest.fixture(autouse=True, scope="module")
def _recording(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "device": rng.permutation(np.repeat(np.arange(30), 20)),
            "time_s": rng.random(600) * 50,
            "x_m": rng.normal(size=600) * 50,
            "y_m": rng.normal(size=600) * 50,
        }
    )
    path: Path = tmp_path_factory.mktemp("trace") / "trace.parquet"
    rows.to_parquet(path)
    _FILE[:] = [str(path)]


@pytest.mark.parametrize("name", MODELS)
@given(times_s=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_positions_do_not_depend_on_earlier_calls(name: str, times_s: list[float]) -> None:
    asked = MODELS[name](30, Streams(3))
    seen = [asked.positions(time_s).copy() for time_s in times_s]

    for time_s, position_m in zip(times_s, seen, strict=True):
        assert (MODELS[name](30, Streams(3)).positions(time_s) == position_m).all()


@pytest.mark.parametrize("name", MODELS)
def test_another_device_does_not_change_the_paths_of_the_others(name: str) -> None:
    few, many = (MODELS[name](count, Streams(3)) for count in (7, 30))

    for time_s in (0.0, 12.5, 99.0, 3.0):
        assert (many.positions(time_s)[:7] == few.positions(time_s)).all()


@pytest.mark.parametrize("name", MODELS)
@given(
    times_s=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=40),
    device=st.lists(st.integers(0, 29), min_size=1, max_size=5),
    before_s=st.floats(0.0, 60.0),
)
@settings(max_examples=15, deadline=None)
def test_the_paths_of_some_devices_are_the_positions_of_all(
    name: str, times_s: list[float], device: list[int], before_s: float
) -> None:
    motion = MODELS[name](30, Streams(3))
    motion.positions(before_s)
    paths_m = motion.paths(np.array(device), np.sort(np.array(times_s)))

    for column, time_s in enumerate(sorted(times_s)):
        assert (paths_m[:, column] == motion.positions(time_s)[device]).all()


@dataclass
class Counted(LegSequence):
    """Steps of a second to the east; it counts the devices that start at leg 0."""

    starts: int = 0

    def _leg(self, step: np.ndarray) -> Legs:
        one, zero = np.ones(len(step)), np.zeros(len(step))
        return Legs(step, step * one, zero, one, zero, step * one, step + one, step + one)

    @override
    def first(self, device: np.ndarray) -> Legs:
        self.starts += len(device)
        return self._leg(np.zeros(len(device), int))

    @override
    def following(self, device: np.ndarray, legs: Legs) -> Legs:
        return self._leg(legs.step + 1)

    @override
    def to_plane(self, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x_m, y_m


def test_the_previous_leg_is_cached_and_earlier_legs_are_not() -> None:
    itinerary = Counted()
    motion = PiecewiseLinearMotion(itinerary, 3)

    for time_s, starts in (
        (90.5, 3),
        (89.25, 3),
        (90.75, 3),
        (100.0, 3),
        (98.5, 6),
        (98.75, 6),
        (97.0, 6),
    ):
        assert (motion.positions(time_s)[:, 0] == time_s).all()
        assert itinerary.starts == starts
    assert (
        motion.paths(np.array([1]), np.array([97.5, 98.0, 200.0]))[0, :, 0] == [97.5, 98.0, 200.0]
    ).all()
    assert itinerary.starts == 6


@pytest.mark.parametrize("name", ["waypoint", "waypoint on a line", "gauss_markov", "trace"])
def test_no_device_jumps(name: str) -> None:
    motion = MODELS[name](30, Streams(3))
    times_s = np.arange(0.0, 100.0, 0.01)

    steps_m = np.diff(motion.paths(np.arange(30), times_s), axis=1)

    # 9 m/s, and 5 standard deviations of 5 m/s in each axis; the trace moves 300 m in a few seconds
    # at most.
    limit_mps = {"waypoint": 9.0, "waypoint on a line": 2.0, "gauss_markov": 36.0, "trace": 1e5}[
        name
    ]
    assert np.hypot(steps_m[..., 0], steps_m[..., 1]).max() <= 0.01 * limit_mps * (1 + 1e-9)


def test_the_legs_of_many_devices_do_not_depend_on_chunks() -> None:
    motions = [MODELS["waypoint"](count, Streams(3)) for count in (40_000, 16_385)]

    many, fewer = (motion.positions(77.0) for motion in motions)

    assert (many[:16_385] == fewer).all()


def test_a_road_requires_a_placement_on_a_line() -> None:
    placement: Placement = DISC

    with pytest.raises(ValueError, match=r"devices.mobility: road needs a placement of kind line"):
        Road(speed_mps=(1.0, 2.0)).motion(placement, 3, Streams(1))


FAST: dict[str, Callable[[], Trajectories]] = {
    "waypoint": lambda: RandomWaypoint(speed_mps=(1e6, 1e6)).motion(DISC, 3, Streams(1)),
    "gauss_markov": lambda: GaussMarkov(sigma_mps=1.0, correlation_time_s=1.0, step_s=1e-4).motion(
        DISC, 3, Streams(1)
    ),
}


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("end_s", [30.0, 1e18, 1e300])
def test_an_endless_number_of_turns_ends_in_an_error_at_once(name: str, end_s: float) -> None:
    legs = 0
    motion = FAST[name]()
    motion.positions(0.0)
    following = motion._sequence.following

    def counted(*arguments: object) -> object:
        nonlocal legs
        legs += 1
        return following(*arguments)

    motion._sequence.following = counted

    with pytest.raises(StalledError, match="turns more than 100,000 times within one round"):
        motion.positions(end_s)
    with pytest.raises(StalledError, match="turns more than 100,000 times within one round"):
        motion.paths(np.arange(3), np.array([0.0, end_s]))
    assert legs <= 2000
    # The first call, as after a resume, may advance any number of legs.
    assert np.isfinite(FAST[name]().positions(0.2)).all()


def test_turns_of_many_blocks_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netsim.clock._MAX_EVENTS", 300)
    motion = MODELS["gauss_markov"](2, Streams(1))
    motion.positions(0.0)

    assert motion.paths(np.arange(2), np.arange(0.0, 500.0, 1.0)).shape == (2, 500, 2)
    with pytest.raises(StalledError, match="more than 300 times"):
        motion.paths(np.arange(2), np.arange(0.0, 520.0, 1.0))


def test_turns_are_counted_together_over_the_calls_of_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("netsim.clock._MAX_EVENTS", 300)
    motion = MODELS["gauss_markov"](2, Streams(1))
    motion.positions(0.0)
    block = np.arange(0.0, 200.0)

    for _ in range(5):
        motion.begin_round()
        motion.paths(np.arange(2), block)
    motion.begin_round()
    motion.paths(np.arange(2), block)
    motion.paths(np.arange(2), block)
    with pytest.raises(StalledError, match="more than 300 times within one round"):
        motion.paths(np.arange(2), block)


def test_a_step_back_over_too_many_legs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netsim.mobility.piecewise_linear._MAX_TURNS_SINCE_START", 300)
    motion = MODELS["gauss_markov"](2, Streams(1))

    assert np.isfinite(motion.positions(700.0)).all(), "the first call is that of a resumed run"
    assert np.isfinite(motion.positions(500.0)).all()
    motion.positions(700.0)
    with pytest.raises(StalledError, match="more than 300 times"):
        motion.positions(600.0)


@pytest.mark.parametrize("radius_m", [1e-12, 1e-8])
def test_a_region_below_the_precision_of_its_coordinates_is_refused(radius_m: float) -> None:
    there = Disc(center_m=(1e6, 0.0), radius_m=radius_m)

    with pytest.raises(NetworkInputError, match=r"devices\.placement: a region of .* is too small"):
        RandomWaypoint(speed_mps=(1.0, 2.0)).motion(there, 2, Streams(1))
