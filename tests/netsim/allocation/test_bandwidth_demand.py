import mpmath as mp
import numpy as np
import pytest
from numpy import ndarray

from netsim.allocation import bandwidth_demand, common_delay
from netsim.link import shannon

BAND_HZ = 1e7


def random_set(rng: np.random.Generator) -> tuple[ndarray, ndarray, ndarray]:
    """Return payloads, floors and up to five numbers of devices."""
    count = int(rng.integers(1, 25))
    bits, gain = 10 ** rng.uniform(6, 8, count), 10 ** rng.uniform(-6, -4, count)
    return bits, shannon.capacity_floor(bits, gain, 1e-11), np.unique(rng.integers(1, count + 1, 5))


def test_prefixes_solved_together_have_the_results_of_each_alone() -> None:
    rng, sets, marked = np.random.default_rng(2), 0, 0
    for _ in range(200):
        bits, floor_s, counts = random_set(rng)
        alone = [common_delay.common_delay(bits[:n], floor_s[:n], BAND_HZ) for n in counts]
        true_s = np.array([delay_s for delay_s, _, _ in alone])
        # The guesses are off by up to a third of how far the delay exceeds the largest floor.
        above_s = true_s - np.maximum.accumulate(floor_s)[counts - 1]

        delay_s, share_hz, error = bandwidth_demand.prefix_delays(
            bits,
            floor_s,
            counts,
            bandwidth_hz=BAND_HZ,
            guess_s=true_s + above_s * rng.uniform(-1 / 3, 1 / 3, len(counts)),
        )

        sets, marked = sets + len(counts), marked + int((error != 0).sum())
        for index in np.flatnonzero(error == 0):
            count = counts[index]
            np.testing.assert_allclose(delay_s[index], true_s[index], rtol=1e-12)
            np.testing.assert_allclose(share_hz[index, :count], alone[index][1], rtol=2e-12)
            assert share_hz[index].sum() == pytest.approx(BAND_HZ, rel=1e-14)
            assert (share_hz[index, count:] == 0).all()
    assert marked < 0.3 * sets


def test_from_a_bad_guess_the_answer_is_right_or_marked() -> None:
    rng, marked, right = np.random.default_rng(3), 0, 0
    for _ in range(600):
        bits, floor_s, counts = random_set(rng)
        true_s = np.array(
            [common_delay.common_delay(bits[:n], floor_s[:n], BAND_HZ)[0] for n in counts]
        )

        delay_s, _, error = bandwidth_demand.prefix_delays(
            bits,
            floor_s,
            counts,
            bandwidth_hz=BAND_HZ,
            guess_s=true_s * 10 ** rng.uniform(-1, 1, len(counts)),
        )

        solved = ~np.isnan(error)
        assert (np.abs(delay_s / true_s - 1)[solved] <= np.maximum(error, 1e-12)[solved]).all()
        marked, right = marked + int((~solved).sum()), right + int(solved.sum())
    assert marked > 100
    assert right > 30


def test_only_a_load_below_a_floor_is_not_a_number() -> None:
    floors = np.log([1.0, 2.0, 3.0])

    for delay_s, below in ((2.0, [False, True, True]), (2.5, [False, False, True])):
        moments = bandwidth_demand.load_moments(np.ones(3), floors, np.log(delay_s))

        np.testing.assert_array_equal(np.isnan(moments), [below] * 3)
        assert np.nanmin(moments) > 0


def test_the_rational_bound_is_solved_to_rounding() -> None:
    rng = np.random.default_rng(4)
    load, target, slope = 10 ** rng.uniform(-2, 2, (3, 500))
    for coefficient in (0.0, 0.3, 2.0, 30.0):
        z = bandwidth_demand.solve_rational_bound(
            load - target, slope, np.full(500, coefficient), target
        )

        assert (1 + coefficient * z > 0).all()
        for index in np.flatnonzero((z > -0.5) & (coefficient * z < 8)):
            with mp.workdps(40):
                start, wanted, steep = (
                    mp.mpf(float(given[index])) for given in (load, target, slope)
                )
                excess = mp.mpf(float(load[index] - target[index]))
                linear = wanted + steep - coefficient * excess
                root = mp.sqrt(linear**2 + 4 * wanted * coefficient * excess)
                true = 2 * excess / (linear + root)
                assert start - steep * true / (1 + coefficient * true) == pytest.approx(
                    wanted * (1 + true), abs=1e-12
                )
                assert abs(float(z[index]) - true) < 1e-14 * (1 + abs(true))
