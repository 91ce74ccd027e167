import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from netsim.channel.pathloss import (
    AnyPathLoss,
    FreeSpace,
    LogDistance,
    PathLoss,
    PowerLaw,
    Shadowing,
)
from netsim.streams import Streams

ORIGIN = (0.0, 0.0)


def at(distance_m: float) -> np.ndarray:
    """Return a position at a distance from (1, 2)."""
    return np.array([[1.0 + 0.6 * distance_m, 2.0 + 0.8 * distance_m]])


@pytest.mark.parametrize(
    ("model", "distance_m", "gain"),
    [
        # (100 / 10) ** -3.5, and nothing below d0
        (PowerLaw(exponent=3.5, reference_m=10.0), 100.0, 10**-3.5),
        (PowerLaw(exponent=3.5, reference_m=10.0), 3.0, 1.0),
        # Friis at 2.4 GHz and 100 m: 20 log10(4 pi 100 / 0.12491) = 80.05 dB
        (FreeSpace(carrier_hz=2.4e9), 100.0, 10**-8.0052),
        (FreeSpace(carrier_hz=2.4e9), 0.001, 1.0),
        # 40 dB at 1 m and 30 dB a decade: 100 dB at 100 m
        (LogDistance(exponent=3.0, reference_m=1.0, reference_loss_db=40.0), 100.0, 1e-10),
        (LogDistance(exponent=3.0, reference_m=1.0, reference_loss_db=40.0), 0.5, 1e-4),
    ],
)
def test_the_gain_at_a_distance_is_the_one_by_hand(
    model: PathLoss, distance_m: float, gain: float
) -> None:
    assert model.gain(at(distance_m), (1.0, 2.0), Streams(1))[0] == pytest.approx(gain, rel=1e-4)


def test_shadows_have_their_mean_and_variance_over_the_plane_of_one_world() -> None:
    count, sigma_db = 4000, 8.0
    # So far apart that the shadows are independent.
    position_m = np.random.default_rng(1).random((count, 2)) * 1e6
    shadow_db = Shadowing(sigma_db=sigma_db, correlation_m=50.0).decibel(position_m, Streams(2))

    half_width = 4 * sigma_db / np.sqrt(count)
    assert half_width < 0.1 * sigma_db
    assert abs(shadow_db.mean()) < half_width
    assert abs(shadow_db.var() / sigma_db**2 - 1) < 4 * np.sqrt(2 / count) < 0.1


def correlations(worlds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances over the correlation distance, and the correlation of shadows in
    each world.
    """
    apart = np.array([0.1, 0.5, 1.0, 2.0, 4.0])
    model = Shadowing(sigma_db=8.0, correlation_m=50.0)
    base_m = np.random.default_rng(1).random((200, 1, 2)) * 1e6
    far_m = base_m + 50.0 * np.stack([0.6 * apart, 0.8 * apart], axis=1)
    found = []
    for seed in range(worlds):
        near_db, far_db = model.decibel(base_m, Streams(seed)), model.decibel(far_m, Streams(seed))
        found.append((near_db * far_db).mean(axis=0) / 8.0**2)
    return apart, np.array(found)


def test_the_correlation_of_shadows_over_all_worlds_is_exponential() -> None:
    apart, found = correlations(worlds=300)

    half_width = 4 * found.std(axis=0) / np.sqrt(300)
    assert (half_width < 0.03).all()
    assert (abs(found.mean(axis=0) - np.exp(-apart)) < half_width).all()


def test_the_correlation_in_one_world_has_the_stated_error() -> None:
    apart = np.array([0.1, 0.5, 1.0, 2.0, 4.0])
    model = Shadowing(sigma_db=1.0, correlation_m=1.0)
    base_m = np.random.default_rng(1).random((20_000, 1, 2)) * 1e5
    far_m = base_m + np.stack([apart, np.zeros(5)], axis=1)

    errors = []
    for seed in range(5):
        near_db, far_db = model.decibel(base_m, Streams(seed)), model.decibel(far_m, Streams(seed))
        errors.append((near_db * far_db).mean(axis=0) - np.exp(-apart))

    # 1 / sqrt(2 * 256), and the noise of 20,000 places
    assert np.sqrt(np.mean(np.square(errors))) < 0.045 + 0.01


def test_devices_at_one_place_share_their_shadow_in_one_world() -> None:
    model = LogDistance(
        exponent=3.0,
        reference_m=1.0,
        reference_loss_db=40.0,
        shadowing=Shadowing(sigma_db=8.0, correlation_m=50.0),
    )
    position_m = np.array([[100.0, 20.0], [3.0, 4.0], [100.0, 20.0]])

    gain = model.gain(position_m, ORIGIN, Streams(1))

    assert gain[0] == gain[2]
    assert gain[0] == model.gain(position_m[:1], ORIGIN, Streams(1))[0]
    assert gain[0] != model.gain(position_m, ORIGIN, Streams(2))[0]


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "power_law", "exponent": -1.0, "reference_m": 1.0},
        {"kind": "power_law", "exponant": 3.0, "reference_m": 1.0},
        {"kind": "free_space", "carrier_hz": "2.4e9"},
        {"kind": "log_distance", "exponent": 3.0, "reference_m": 1.0},
        {
            "kind": "log_distance",
            "exponent": 3.0,
            "reference_m": 1.0,
            "reference_loss_db": 40.0,
            "shadowing": {"sigma_db": 0.0, "correlation_m": 50.0},
        },
    ],
)
def test_a_bad_path_loss_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyPathLoss).validate_python(table)
