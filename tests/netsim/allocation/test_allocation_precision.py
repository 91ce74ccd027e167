"""Allocation solver against arithmetic of 50 digits."""

import mpmath as mp
import numpy as np
import pytest
from numpy import ndarray
from support.reference_allocation import bandwidth, shared_delay, snr_of_ratio, y_of

from netsim.allocation import bandwidth_demand, common_delay, spectral_efficiency
from netsim.link import shannon

ULP = float(np.finfo(float).eps)
NOISE_PSD = 1e-11


def condition(bits: float, delay_s: mp.mpf, gain: float) -> mp.mpf:
    """Return the condition number q / (q - 1), q the delay over the capacity floor."""
    ratio = delay_s * mp.mpf(gain) / (mp.mpf(bits) * mp.mpf(NOISE_PSD) * mp.log(2))
    return ratio / (ratio - 1)


def test_the_snr_of_a_delay_is_right_to_1e_12_at_any_distance() -> None:
    excess = np.concatenate([np.geomspace(1e-12, 1e9, 400), np.linspace(0.04, 0.06, 50)])

    snr = (1.0 + excess) * spectral_efficiency.efficiency(np.log1p(excess))
    for given, got in zip(excess, snr, strict=True):
        true = snr_of_ratio(mp.log(1 + mp.mpf(given)))
        assert abs(mp.mpf(got) / true - 1) < 1e-12, given


def test_the_bandwidth_for_a_delay_is_right_to_8_ulp_by_condition() -> None:
    rng = np.random.default_rng(1)
    for excess in 10 ** rng.uniform(-10, 9, 400):
        bits, gain = 10 ** rng.uniform(3, 9), 10 ** rng.uniform(-12, 0)
        delay_s = float(shannon.capacity_floor(bits, gain, NOISE_PSD)) * (1 + excess)

        got = float(common_delay.bandwidth_for_delay(bits, delay_s, gain, NOISE_PSD))

        error = abs(mp.mpf(got) / bandwidth(bits, delay_s, gain, NOISE_PSD) - 1)
        assert error < 8 * ULP * condition(bits, mp.mpf(delay_s), gain), (excess, bits, gain)


@pytest.mark.parametrize("block", range(5))
def test_500_delays_are_right_to_1e_9_and_bandwidths_to_8_ulp(
    block: int,
) -> None:
    rng = np.random.default_rng(100 + block)
    near_floor = 0
    for index in range(100):
        count = int(rng.integers(1, 5))
        gain = 10 ** rng.uniform(-12, 0, count)
        bits = (
            10 ** rng.uniform(4, 8, count) if index % 2 else np.full(count, 10 ** rng.uniform(4, 8))
        )
        power_w = np.ones(count)
        # The widest bands bring the weakest device to its floor.
        bandwidth_hz = 10 ** rng.uniform(4, 12)

        delay_s, share_hz = common_delay.min_delay(bits, gain, bandwidth_hz, NOISE_PSD, power_w)

        true_s, true_hz = shared_delay(bits, gain, bandwidth_hz, NOISE_PSD, power_w)
        assert abs(mp.mpf(delay_s) / true_s - 1) < 1e-9
        conditions = [condition(b, true_s, g) for b, g in zip(bits, gain, strict=True)]
        near_floor += max(conditions) > 1e6
        for got, true, number in zip(share_hz, true_hz, conditions, strict=True):
            assert abs(mp.mpf(got) / true - 1) < 8 * ULP * number
    assert near_floor > 10, "too few instances near the floor"


def test_the_moments_of_a_load_are_its_value_and_derivatives() -> None:
    delay_s = 2.0 * (1 + np.geomspace(1e-6, 1e6, 40))

    for delay in delay_s:
        load, slope, curvature = bandwidth_demand.load_moments(
            np.array([3.0]), np.log([2.0]), float(np.log(delay))
        )[:, 0]

        with mp.workdps(60):
            value, first, second = (
                mp.diff(
                    lambda d: 3 / y_of(mp.log(d / 2)),
                    mp.mpf(delay),
                    order,
                    h=delay * mp.mpf(10) ** -15,
                )
                for order in range(3)
            )
            assert float(value) == pytest.approx(load, rel=1e-8)
            assert float(-delay * first) == pytest.approx(slope, rel=1e-8)
            assert float(delay**2 / 2 * second) == pytest.approx(curvature, rel=1e-8)


def test_the_load_of_a_set_lies_between_its_rational_bounds() -> None:
    rng, tight = np.random.default_rng(3), 0
    for _ in range(300):
        count = int(rng.integers(1, 6))
        bits, floor_s = 10 ** rng.uniform(0, 2, count), 10 ** rng.uniform(-3, 0, count)
        delay_s = float(floor_s.max() * (1 + 10 ** rng.uniform(-3, 3)))
        z = mp.mpf(rng.uniform(-1, 1)) * (
            1 - mp.mpf(floor_s.max()) / delay_s if rng.uniform() < 0.7 else 3
        )
        later = mp.mpf(delay_s) * (1 + z)
        if later <= mp.mpf(floor_s.max()):
            continue

        def load_at(d: mp.mpf, bits: ndarray = bits, floor_s: ndarray = floor_s) -> mp.mpf:
            return mp.fsum(
                mp.mpf(b) / y_of(mp.log(d / mp.mpf(f))) for b, f in zip(bits, floor_s, strict=True)
            )

        with mp.workdps(60):
            load, first, second = (
                mp.diff(load_at, mp.mpf(delay_s), order, h=mp.mpf(delay_s) * mp.mpf(10) ** -15)
                for order in range(3)
            )
            slope = -delay_s * first
            curvature = mp.mpf(delay_s) ** 2 / 2 * second
            steepest = 1 / (1 - mp.mpf(floor_s.max()) / delay_s)
            steep = curvature / slope
            ends = (slope / load, steep) if z > 0 else (steep, steepest)
            lower, upper = (load - slope * z / (1 + c * z) for c in ends)
            rounding = mp.mpf(10) ** -20 * load
            assert lower - rounding <= load_at(later) <= upper + rounding
            tight += upper < 1.01 * lower
    assert tight > 30, "bounds that are never close show nothing"
