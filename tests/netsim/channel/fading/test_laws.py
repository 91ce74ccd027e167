"""Every fading law against its closed forms, with independent draws and with plane waves."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats
from scipy.special import exp1, j0

from netsim.channel.fading import (
    AnyFading,
    ConstantFading,
    Fading,
    Nakagami,
    PlaneWaves,
    Rayleigh,
    Rician,
)
from netsim.channel.gains import ModelledGains
from netsim.channel.pathloss import PowerLaw
from netsim.link import shannon
from netsim.streams import Streams

COUNT = 200_000
NO_LOSS = PowerLaw(exponent=1.0, reference_m=1e9)
WAVES = PlaneWaves(carrier_hz=2e9)


def factors(fading: Fading, block: int = 0, seed: int = 1) -> np.ndarray:
    """Return the factors of many devices at different places."""
    place_m = np.random.default_rng(2).random((COUNT, 1, 2)) * 1000.0
    gains = ModelledGains(NO_LOSS, fading, (0.0, 0.0), COUNT, Streams(seed))
    return gains.at(slice(0, COUNT), place_m, np.array([block]), np.zeros(1))[:, 0]


def rician_law(k_factor_db: float) -> stats.rv_continuous:
    k = 10 ** (k_factor_db / 10)
    # 2 (K + 1) |h|^2 is noncentral chi-squared with 2 degrees of freedom and noncentrality 2 K.
    return stats.ncx2(2, 2 * k, scale=1 / (2 * (k + 1)))


LAWS = {
    "rayleigh": (Rayleigh(), stats.expon()),
    "rayleigh of waves": (Rayleigh(correlation=WAVES), stats.expon()),
    "rician": (Rician(k_factor_db=6.0), rician_law(6.0)),
    "rician of waves": (Rician(k_factor_db=6.0, correlation=WAVES), rician_law(6.0)),
    "nakagami 0.5": (Nakagami(m=0.5), stats.gamma(0.5, scale=2.0)),
    "nakagami 3": (Nakagami(m=3.0), stats.gamma(3.0, scale=1 / 3)),
    "nakagami of waves": (Nakagami(m=3.0, correlation=WAVES), stats.gamma(3.0, scale=1 / 3)),
}


@pytest.mark.parametrize("name", LAWS)
def test_mean_variance_and_distribution_of_a_law_are_its_closed_forms(name: str) -> None:
    fading, law = LAWS[name]
    power_gain = factors(fading)
    mean, variance, kurtosis = (float(value) for value in law.stats("mvk"))

    assert mean == pytest.approx(1.0)
    half_width = 4 * np.sqrt(variance / COUNT)
    assert abs(power_gain.mean() - mean) < half_width < 0.05
    half_width = 4 * variance * np.sqrt((kurtosis + 2) / COUNT)
    assert abs(power_gain.var() - variance) < half_width < 0.1 * variance
    # With this number of draws Kolmogorov's test detects an error of 0.005 in the distribution.
    assert stats.kstest(power_gain, law.cdf).pvalue > 0.001
    wrong = stats.gamma(1.05 / variance, scale=variance / 1.05)
    assert stats.kstest(power_gain, wrong.cdf).pvalue < 0.001


def test_without_fading_every_factor_is_1() -> None:
    assert (factors(ConstantFading()) == 1.0).all()


def test_nakagami_with_m_1_is_rayleigh() -> None:
    assert np.allclose(factors(Nakagami(m=1.0)), factors(Rayleigh()), rtol=1e-12, atol=0)


def test_rician_without_a_direct_path_is_rayleigh() -> None:
    assert np.allclose(factors(Rician(k_factor_db=-300.0)), factors(Rayleigh()), rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", ["rayleigh", "rayleigh of waves"])
@pytest.mark.parametrize("snr", [0.3, 10.0])
def test_rayleigh_outage_and_ergodic_rate_are_the_closed_forms(name: str, snr: float) -> None:
    gain = factors(LAWS[name][0])
    bandwidth_hz, noise_psd, threshold_bps = 1e6, 1e-9, 0.5e6
    rate_bps = shannon.rate(bandwidth_hz, gain, noise_psd, snr * noise_psd * bandwidth_hz)

    # P(B log2(1 + snr g) < R) = 1 - exp(-(2^(R/B) - 1) / snr)
    outage = 1 - np.exp(-(2**0.5 - 1) / snr)
    half_width = 4 * np.sqrt(outage * (1 - outage) / COUNT)
    assert half_width < 0.05 * outage
    assert abs((rate_bps < threshold_bps).mean() - outage) < half_width
    # E[ln(1 + snr g)] = exp(1/snr) E1(1/snr)
    ergodic_bps = bandwidth_hz * np.exp(1 / snr) * exp1(1 / snr) / np.log(2)
    half_width = 4 * rate_bps.std() / np.sqrt(COUNT)
    assert half_width < 0.02 * ergodic_bps
    assert abs(rate_bps.mean() - ergodic_bps) < half_width


@pytest.mark.parametrize("name", ["rayleigh", "rician", "nakagami 3"])
def test_blocks_and_devices_are_independent(name: str) -> None:
    fading, law = LAWS[name]
    first, second = factors(fading, block=7), factors(fading, block=8)

    for one, other in (
        (first, second),
        (first[1:], first[:-1]),
        (first, factors(fading, 7, seed=2)),
    ):
        correlation = np.corrcoef(one, other)[0, 1]
        assert abs(correlation) < 4 / np.sqrt(COUNT - 1) < 0.05
    assert law is not None


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "rician"},
        {"kind": "nakagami", "m": 0.4},
        {"kind": "rayleigh", "correlation": {"carrier_hz": 0.0}},
        {"kind": "rayleigh", "correlation": {"carrier_hz": 2e9, "waves": 7}},
        {"kind": "none", "correlation": {"carrier_hz": 2e9}},
    ],
)
def test_a_bad_fading_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyFading).validate_python(table)


def test_the_direct_path_turns_against_the_waves_as_a_device_moves_away() -> None:
    k = 3.0
    fading = Rician(k_factor_db=10 * np.log10(k), correlation=WAVES)
    gains = ModelledGains(NO_LOSS, fading, (0.0, 0.0), COUNT, Streams(1))
    cycles = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.8])
    away_m = np.stack([500.0 + cycles * WAVES.wavelength_m, np.zeros(6)], axis=1)
    place_m = np.broadcast_to(away_m, (COUNT, 6, 2))

    power = gains.at(slice(0, COUNT), place_m, np.zeros(6, int), np.zeros(6)) - 1.0

    # Cov = (J0^2 + 2 K J0 cos(2 pi x / lambda)) / (K + 1)^2 along the direct path.
    found = (power * power[:, :1]).mean(axis=0) * (k + 1) ** 2
    bessel = j0(2 * np.pi * cycles)
    theory = bessel**2 + 2 * k * bessel * np.cos(2 * np.pi * cycles)
    half_width = 4 * (power * power[:, :1]).std(axis=0) * (k + 1) ** 2 / np.sqrt(COUNT)
    assert (half_width < 0.02 * theory[0]).all()
    assert (abs(found - theory) < half_width).all()
    assert (abs(bessel**2 + 2 * k * bessel - theory) > half_width)[1:].all(), (
        "a phase at rest must be seen"
    )
