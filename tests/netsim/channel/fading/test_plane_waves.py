import numpy as np
import pytest
from scipy.special import j0

from netsim.channel.fading import PlaneWaves
from netsim.streams import Streams, normal_pairs, uniform

COUNT = 100_000
CARRIER_HZ = 2e9


def field(
    model: PlaneWaves, position_m: np.ndarray, time_s: np.ndarray, seed: int = 1, count: int = COUNT
) -> np.ndarray:
    """Return the complex field of each device at the same positions, one per time."""
    place_m = np.broadcast_to(position_m, (count, len(time_s), 2))
    real, imaginary = model.field(count, Streams(seed)).at(slice(0, count), place_m, time_s)
    return real.astype(float) + 1j * imaginary


def along(distance_m: np.ndarray, angle: float = 0.7) -> np.ndarray:
    """Return positions on a straight line that begins far from the origin."""
    return np.array([300.0, -40.0]) + distance_m[:, None] * np.array([np.cos(angle), np.sin(angle)])


def correlation(values: np.ndarray) -> np.ndarray:
    return (values * values[:, :1].conj()).mean(axis=0)


@pytest.mark.parametrize("waves", [2, 8, 64])
def test_over_distance_the_field_is_correlated_as_j0(waves: int) -> None:
    model = PlaneWaves(carrier_hz=CARRIER_HZ, waves=waves)
    distance_m = np.array([0.0, 0.1, 0.25, 0.38, 0.5, 0.8, 1.5, 7.3]) * model.wavelength_m

    found = correlation(field(model, along(distance_m), np.zeros(8)))

    half_width = 4 / np.sqrt(COUNT)
    assert half_width < 0.05
    assert (
        abs(found - j0(2 * np.pi * distance_m / model.wavelength_m)) < half_width * np.sqrt(2)
    ).all()


def test_moving_scatterers_fade_a_device_at_rest_as_j0_of_time() -> None:
    model = PlaneWaves(carrier_hz=CARRIER_HZ, scatterer_speed_mps=2.0)
    time_s = np.array([0.0, 0.1, 0.25, 0.38, 0.5, 0.8, 1.5]) * model.wavelength_m / 2.0

    found = correlation(field(model, along(np.zeros(7)), 1e4 + time_s))

    assert (
        abs(found - j0(2 * np.pi * 2.0 * time_s / model.wavelength_m)) < 6 / np.sqrt(COUNT)
    ).all()


def test_movement_and_moving_scatterers_multiply_their_correlations() -> None:
    model = PlaneWaves(carrier_hz=CARRIER_HZ, scatterer_speed_mps=2.0)
    share = np.array([0.0, 0.1, 0.2, 0.3])

    found = correlation(
        field(model, along(share * model.wavelength_m), share * model.wavelength_m / 2.0)
    )

    assert (abs(found - j0(2 * np.pi * share) ** 2) < 6 / np.sqrt(COUNT)).all()


def test_without_moving_scatterers_a_device_at_rest_never_fades() -> None:
    values = field(
        PlaneWaves(carrier_hz=CARRIER_HZ), along(np.zeros(2)), np.array([0.0, 1e6]), count=100
    )

    assert (values[:, 0] == values[:, 1]).all()


def test_the_field_is_gaussian_with_two_waves_already() -> None:
    power = (
        abs(
            field(
                PlaneWaves(carrier_hz=CARRIER_HZ, waves=2),
                along(np.zeros(1)),
                np.zeros(1),
            )
        )
        ** 2
    )

    # E|h|^4 = 2 of a complex Gaussian; two waves of equal amplitude would have 1.5.
    half_width = 4 * np.sqrt((24 - 4) / COUNT)
    assert half_width < 0.05 * 2
    assert abs((power**2).mean() - 2) < half_width


def test_the_powers_of_neighbours_at_one_place_are_independent() -> None:
    power = (
        abs(field(PlaneWaves(carrier_hz=CARRIER_HZ), along(np.zeros(1)), np.zeros(1)))[:, 0] ** 2
    )

    # One set of 44 waves for all devices would correlate them by at least 1/44.
    assert abs(np.corrcoef(power[1:], power[:-1])[0, 1]) < 4 / np.sqrt(COUNT - 1) < 0.02


def test_a_device_has_the_same_waves_among_few_and_many() -> None:
    model = PlaneWaves(carrier_hz=CARRIER_HZ, scatterer_speed_mps=1.0)
    place_m, time_s = along(np.arange(3.0)), np.array([1.0, 2.0, 3.0])

    few, many = (field(model, place_m, time_s, count=count) for count in (9, 40_000))

    assert (many[:9] == few).all()


def test_the_phase_keeps_its_precision_far_from_the_origin() -> None:
    model = PlaneWaves(carrier_hz=CARRIER_HZ)
    step_m = along(np.array([0.0, 0.01])) - along(np.zeros(2))

    # The waves of a device are the same at every place, so the field changes equally over 1 cm.
    near, far = (field(model, origin_m + step_m, np.zeros(2)) for origin_m in (0.0, 1e6))

    for values in (near, far):
        found = correlation(values)[1]
        assert abs(found - j0(2 * np.pi * 0.01 / model.wavelength_m)) < 6 / np.sqrt(COUNT)


@pytest.mark.parametrize("device", [0, 20_000])
def test_the_field_is_the_sum_of_the_plane_waves_of_the_device(
    device: int,
) -> None:
    model, streams, waves = (
        PlaneWaves(carrier_hz=CARRIER_HZ, scatterer_speed_mps=3.0, waves=8),
        Streams(1),
        8,
    )
    words = streams.words(device * 18 + 18, "plane waves")[-18:]
    real, imaginary = normal_pairs(words[:8], words[8:16])
    pairs = (real[0::2] + 1j * imaginary[0::2], real[1::2] + 1j * imaginary[1::2])
    first, heading = 2 * np.pi * uniform(words[16:])
    x_m, y_m = np.array([300.0, -40.0]) + 3.0 * 7.0 * np.array([np.cos(heading), np.sin(heading)])

    by_hand = 0j
    for wave in range(waves):
        sign = 1 if wave < 4 else -1
        # A cos + B sin of a pair are two opposite waves with amplitudes (A - jB) / 2 and (A + jB) /
        # 2.
        amplitude = (pairs[0][wave % 4] - sign * 1j * pairs[1][wave % 4]) / 2 / np.sqrt(waves)
        angle = first + 2 * np.pi * wave / waves
        way_m = x_m * np.cos(angle) + y_m * np.sin(angle)
        by_hand += amplitude * np.exp(2j * np.pi * way_m / model.wavelength_m)

    found = field(model, along(np.zeros(1)), np.array([7.0]), count=device + 1)[device, 0]
    assert found == pytest.approx(by_hand, abs=1e-5)
