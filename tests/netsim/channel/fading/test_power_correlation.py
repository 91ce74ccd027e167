"""Correlation of powers and level crossings of devices in motion, against closed forms.

Closed forms: Clarke 1968 (J0), Rice 1948 (crossings). Independent simulation: plane waves at random
angles, summed in complex numbers, which share no code with the simulator.
"""

from typing import Any

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray
from scipy.special import i0, j0, jv

from netsim.channel.fading import AnyFading, PlaneWaves, Rayleigh, Rician
from netsim.channel.gains import ModelledGains
from netsim.channel.pathloss import PowerLaw
from netsim.channel.radio_environment import RadioEnvironment
from netsim.mobility import Road, Static
from netsim.placement import Line, Points
from netsim.streams import Streams

CARRIER_HZ = 2e9
WAVELENGTH_M = 299_792_458.0 / CARRIER_HZ
LAGS = np.array([0.1, 0.25, 0.5, 0.8, 1.5, 2.3, 3.4, 4.7, 6.0])
"""Nine lags in wavelengths; 8 waves miss J0 squared by 0.2 at the fifth of them."""
COUNT = 60_000
NO_LOSS = PowerLaw(exponent=1.0, reference_m=1e9)
# The road passes the server at right angles and far away, so the direct path keeps its phase.
SERVER_M = (0.0, 1e7)
K_DB = 3.0
K = 10 ** (K_DB / 10)


def on_the_road(fading: AnyFading, speed_mps: float, count: int) -> RadioEnvironment:
    """Return devices at one speed on a road of 100 m."""
    road = Road(speed_mps=(speed_mps, speed_mps), direction="forward")
    line = Line(start_m=(-50.0, 0.0), end_m=(50.0, 0.0))
    return RadioEnvironment.modelled(
        line, road, NO_LOSS, fading, SERVER_M, count=count, streams=Streams(11)
    )


def at_rest(fading: AnyFading, count: int) -> RadioEnvironment:
    """Return devices at one place; only the scatterers move."""
    place = Points(positions_m=[(3.0, 4.0)] * count)
    return RadioEnvironment.modelled(
        place, Static(), NO_LOSS, fading, SERVER_M, count=count, streams=Streams(11)
    )


def powers(world: RadioEnvironment, time_s: ndarray) -> Float[ndarray, "K T"]:
    return np.stack([world.gain(0, time) for time in time_s], axis=1)


def power_correlation(power: ndarray, variance: float) -> tuple[ndarray, ndarray]:
    """Return the correlation of each column with the first, and 4 standard errors of it."""
    products = (power[:, :1] - 1.0) * (power[:, 1:] - 1.0) / variance
    return products.mean(axis=0), 4 * products.std(axis=0) / len(power) ** 0.5


def of_clarke(fading: AnyFading) -> tuple[ndarray, float]:
    """Return the correlation of the power gain at the lags and its variance, by closed form."""
    bessel = j0(2 * np.pi * LAGS)
    if isinstance(fading, Rician):
        return (bessel**2 + 2 * K * bessel) / (1 + 2 * K), (1 + 2 * K) / (1 + K) ** 2
    return bessel**2, 1.0


def waves(**settings: Any) -> PlaneWaves:
    return PlaneWaves(carrier_hz=CARRIER_HZ, **settings)


@pytest.mark.parametrize("speed_mps", [1.4, 33.0])
@pytest.mark.parametrize(
    "law",
    [Rayleigh, lambda correlation: Rician(k_factor_db=K_DB, correlation=correlation)],
    ids=["rayleigh", "rician"],
)
@pytest.mark.parametrize("moving", ["devices", "scatterers"])
def test_powers_are_correlated_as_the_square_of_j0(law: Any, speed_mps: float, moving: str) -> None:
    if moving == "devices":
        fading = law(correlation=waves())
        world = on_the_road(fading, speed_mps, COUNT)
    else:
        fading = law(correlation=waves(scatterer_speed_mps=speed_mps))
        world = at_rest(fading, COUNT)
    time_s = np.concatenate([[0.0], LAGS * WAVELENGTH_M / speed_mps])
    expected, variance = of_clarke(fading)

    found, error = power_correlation(powers(world, 0.7 + time_s), variance)

    # Far lags, where waves that never decay would show, are known to 0.02.
    assert (error[4:] < 0.02).all()
    assert (abs(found - expected) < np.maximum(error, 0.03)).all()
    assert (abs(found - expected)[4:] < 0.03).all()


def test_the_error_of_the_powers_is_the_one_of_the_closed_form() -> None:
    model = waves()
    lags = np.concatenate([LAGS, [6.98, 7.35, 20.0, 53.7]])
    world = on_the_road(Rayleigh(correlation=model), 1.0, COUNT)
    found, error = power_correlation(
        powers(world, np.concatenate([[0.0], lags * WAVELENGTH_M])), variance=1.0
    )

    def form(wavelengths: ndarray) -> ndarray:
        z = 2 * np.pi * wavelengths
        return j0(z) ** 2 + 2 * sum(jv(model.waves * j, z) ** 2 for j in range(1, 12))

    dense = np.linspace(0.0, 6.0, 6001)
    assert (form(dense) - j0(2 * np.pi * dense) ** 2).max() < 0.001
    assert (abs(found - form(lags)) < error).all()
    assert form(lags)[-3] > 0.03 + error[-3], "the error just beyond must be visible to this test"


def crossings(power: ndarray, level: float) -> Float[ndarray, " K"]:
    """Return the number of upward crossings of an amplitude in each row."""
    above = power > level**2
    return (above[:, 1:] & ~above[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("level", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("speed_mps", [1.4, 33.0])
def test_levels_are_crossed_as_often_as_rice_says(level: float, speed_mps: float) -> None:
    samples, per_wavelength, count = 257, 64, 2000
    time_s = np.arange(samples) / per_wavelength * WAVELENGTH_M / speed_mps
    length = (samples - 1) / per_wavelength
    rayleigh = on_the_road(Rayleigh(correlation=waves()), speed_mps, count)
    rician = on_the_road(Rician(k_factor_db=K_DB, correlation=waves()), speed_mps, count)

    # Crossings per wavelength travelled (Rice 1948), the direct path at right angles.
    expected = {
        "rayleigh": np.sqrt(2 * np.pi) * level * np.exp(-(level**2)),
        "rician": np.sqrt(2 * np.pi * (K + 1))
        * level
        * np.exp(-K - (K + 1) * level**2)
        * i0(2 * level * np.sqrt(K * (K + 1))),
    }
    for name, world in (("rayleigh", rayleigh), ("rician", rician)):
        device = np.arange(count)
        counted = crossings(world.gains(device, np.zeros(samples, int), time_s), level) / length
        half_width = 4 * counted.std() / count**0.5
        assert half_width < 0.15 * expected[name]
        # Two crossings between samples are not seen: at most 1 % at 64 samples per wavelength.
        assert abs(counted.mean() - expected[name]) < half_width + 0.01 * expected[name]


def clarke_at_random_angles(count: int, lags: ndarray) -> Float[ndarray, "count L"]:
    """Return powers of Clarke's field, 400 waves at random angles per device (no shared code)."""
    random = np.random.Generator(np.random.PCG64(5))
    power = np.empty((count, len(lags)))
    for row in range(count):
        angle = random.uniform(0, 2 * np.pi, 400)
        amplitude = (random.normal(size=400) + 1j * random.normal(size=400)) / np.sqrt(800)
        phases = np.exp(2j * np.pi * np.outer(lags, np.cos(angle)))
        power[row] = abs(phases @ amplitude) ** 2
    return power


def test_an_independent_simulation_has_the_same_powers_along_a_way() -> None:
    count = 6000
    lags = np.concatenate([[0.0], LAGS])
    other, other_error = power_correlation(clarke_at_random_angles(count, lags), 1.0)
    world = on_the_road(Rayleigh(correlation=waves()), 1.0, COUNT)
    own, own_error = power_correlation(powers(world, lags * WAVELENGTH_M), 1.0)

    assert (other_error[4:] < 0.06).all()
    assert (abs(own - other) < np.hypot(own_error, other_error)).all()


@pytest.mark.parametrize(
    "fading", [Rayleigh(correlation=waves()), Rician(k_factor_db=K_DB, correlation=waves())]
)
def test_the_fading_has_no_seam_anywhere_on_a_long_way(fading: AnyFading) -> None:
    count, samples, step = 40, 32 * 256, 1 / 256
    # 32 wavelengths in fine steps, across every multiple of a wavelength.
    way_m = np.arange(samples) * step * WAVELENGTH_M
    place_m = np.broadcast_to(np.stack([way_m, way_m / 3], axis=1), (count, samples, 2))
    gains = ModelledGains(NO_LOSS, fading, SERVER_M, count=count, streams=Streams(11))
    block, time_s = np.zeros(samples, int), np.zeros(samples)
    power = gains.at(slice(0, count), place_m, block, time_s=time_s)

    # A second difference is of the order of (2 pi step)^2 times the power, a seam of that of 1.
    bend = abs(np.diff(power, n=2, axis=1)).max(axis=0)
    assert bend.max() < 60 * (2 * np.pi * step) ** 2
    assert bend.max() < 20 * np.quantile(bend, 0.5)


def test_a_device_at_rest_has_one_gain_that_is_computed_once() -> None:
    fading = Rician(k_factor_db=K_DB, correlation=waves())
    rest, device = at_rest(fading, 50), np.array([7, 3])
    moving = at_rest(Rician(k_factor_db=K_DB, correlation=waves(scatterer_speed_mps=1e-300)), 50)

    gains = rest.gains(device, np.arange(3), np.array([0.0, 5.0, 1e6]))

    assert (gains == rest.gain(9, 77.0)[device, None]).all()
    assert (rest.gain(0, 0.0) == moving.gain(0, 0.0)).all()
