import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.special import ellipe

from netsim.errors import NetworkInputError
from netsim.mobility import RandomWaypoint
from netsim.placement import Annulus, Disc, Grid, Points
from netsim.streams import Streams

COUNT = 200_000
TIMES_S = [0.0, 40.0, 1000.0]
RADIUS_M = 100.0
MODEL = RandomWaypoint(speed_mps=(1.0, 10.0))
PAUSING = RandomWaypoint(speed_mps=(1.0, 10.0), pause_s=15.0)
DISC = Disc(radius_m=RADIUS_M)


def radial_density(r: float) -> float:
    """Return the density of a moving device at r of a unit disc, per unit area.

    Hyytiä, Lassila and Virtamo, "Spatial node distribution of the random waypoint mobility model",
    IEEE Trans. Mobile Computing 5(6), 2006: ``45 (1 - r^2) / (64 pi) integral_0^pi sqrt(1 - r^2
    cos^2 phi) dphi``, and the integral is twice the complete elliptic integral of the second kind.
    """
    return float(45 * (1 - r**2) / (64 * np.pi) * 2 * ellipe(r**2))


def test_the_radial_density_of_the_literature_is_a_density() -> None:
    assert quad(lambda r: radial_density(r) * 2 * np.pi * r, 0, 1)[0] == pytest.approx(
        1.0, abs=1e-9
    )


@pytest.mark.parametrize("time_s", TIMES_S)
def test_moving_devices_have_the_stationary_radial_density(time_s: float) -> None:
    position_m = MODEL.motion(DISC, COUNT, Streams(11)).positions(time_s)
    edges = np.linspace(0, 1, 11)

    found = np.histogram(np.hypot(*position_m.T) / RADIUS_M, edges)[0] / COUNT

    for share, low, high in zip(found, edges[:-1], edges[1:], strict=True):
        theory = quad(lambda r: radial_density(r) * 2 * np.pi * r, low, high)[0]
        half_width = 4 * np.sqrt(theory * (1 - theory) / COUNT)
        assert abs(share - theory) < half_width
        assert half_width < 0.1 * theory
        # A uniform placement, the start of a process that is not stationary, has another density.
        assert not 0.15 < low < 0.55 or abs(high**2 - low**2 - theory) > half_width


@pytest.mark.parametrize("time_s", TIMES_S)
def test_the_mean_speed_is_stationary_and_does_not_decay(time_s: float) -> None:
    motion = MODEL.motion(DISC, COUNT, Streams(12))
    step_s = 1e-3
    # The chord of the few devices that turn within the step is too short by less than they moved.
    moved_m = motion.positions(time_s + step_s) - motion.positions(time_s)
    speed_mps = np.hypot(*moved_m.T) / step_s

    theory = (10.0 - 1.0) / np.log(10.0)
    half_width = 4 * speed_mps.std() / np.sqrt(COUNT)
    assert half_width < 0.01 * theory
    assert abs(speed_mps.mean() - theory) < half_width
    assert abs(theory - 5.5) > half_width, (
        "a walk that starts with uniform speeds must be seen to differ"
    )


@pytest.mark.parametrize("time_s", TIMES_S)
def test_the_share_of_pauses_is_their_share_of_time(time_s: float) -> None:
    motion = PAUSING.motion(DISC, COUNT, Streams(13))
    moved_m = motion.positions(time_s + 1e-6) - motion.positions(time_s)

    mean_leg_s = 128 * RADIUS_M / (45 * np.pi) * np.log(10.0) / 9.0
    theory = 15.0 / (15.0 + mean_leg_s)
    half_width = 4 * np.sqrt(theory * (1 - theory) / COUNT)
    assert half_width < 0.05 * theory
    assert abs((np.abs(moved_m).sum(axis=1) == 0).mean() - theory) < half_width


def test_devices_stay_in_the_region() -> None:
    motion = PAUSING.motion(DISC, 2000, Streams(14))

    for time_s in np.linspace(0, 500, 20):
        assert np.hypot(*motion.positions(time_s).T).max() <= RADIUS_M * (1 + 1e-12)


def test_a_region_that_is_not_convex_or_a_single_point_is_refused() -> None:
    with pytest.raises(
        NetworkInputError, match="requires a placement in a convex region; annulus is not convex"
    ):
        MODEL.motion(Annulus(inner_radius_m=1.0, outer_radius_m=2.0), 3, Streams(1))
    for placement in (Points(positions_m=((1.0, 2.0),)), Grid(spacing_m=1.0, columns=1, rows=1)):
        with pytest.raises(
            NetworkInputError, match="requires a placement that is not a single point"
        ):
            MODEL.motion(placement, 1, Streams(1))


@pytest.mark.parametrize("speed_mps", [(0.0, 1.0), (2.0, 1.0), (1.0, float("inf"))])
def test_a_speed_of_0_or_a_falling_range_is_refused(
    speed_mps: tuple[float, float],
) -> None:
    with pytest.raises(ValidationError):
        RandomWaypoint(speed_mps=speed_mps)
