import mpmath as mp
import numpy as np
import pytest
from numpy import ndarray

from netsim.allocation import bandwidth_demand, common_delay
from netsim.link import shannon

BAND_HZ = 1e7


def random_set(rng: np.random.Generator) -> tuple[ndarray, ndarray, ndarray]:
    """Return payloads, floors and some numbers of devices."""
    count = int(rng.integers(1, 25))
    bits, gain = 10 ** rng.uniform(6, 8, count), 10 ** rng.uniform(-6, -4, count)
    return bits, shannon.capacity_floor(bits, gain, 1e-11), np.unique(rng.integers(1, count + 1, 5))


def test_prefixes_solved_together_have_the_delays_and_bandwidths_of_each_alone() -> None:
    rng, sets, marked = np.random.default_rng(2), 0, 0
    for _ in range(200):
        bits, floor_s, counts = random_set(rng)
        alone = [common_delay.common_delay(bits[:n], floor_s[:n], BAND_HZ) for n in counts]
        true_s = np.array([each[0] for each in alone])
        # The guesses are off by up to a third of how far the delay exceeds the largest floor.
        above_s = true_s - np.maximum.accumulate(floor_s)[counts - 1]

        delay_s, share_hz, error = bandwidth_demand.prefix_delays(
            bits,
            floor_s,
            counts,
            BAND_HZ,
            true_s + above_s * rng.uniform(-1 / 3, 1 / 3, len(counts)),
        )

        sets, marked = sets + len(counts), marked + int((error != 0).sum())
        for index in np.flatnonzero(error == 0):
            count = counts[index]
            np.testing.assert_allclose(delay_s[index], true_s[index], rtol=1e-12)
            np.testing.assert_allclose(share_hz[index, :count], alone[index][1], rtol=2e-12)
            assert share_hz[index].sum() == pytest.approx(BAND_HZ, rel=1e-14)
            assert (share_hz[index, count:] == 0).all()
    assert marked < 0.3 * sets


def test_from_a_bad_guess_the_answer_is_right_or_marked_but_never_wrong() -> None:
    rng, marked, right = np.random.default_rng(3), 0, 0
    for _ in range(600):
        bits, floor_s, counts = random_set(rng)
        true_s = np.array(
            [common_delay.common_delay(bits[:n], floor_s[:n], BAND_HZ)[0] for n in counts]
        )

        delay_s, _, error = bandwidth_demand.prefix_delays(
            bits, floor_s, counts, BAND_HZ, true_s * 10 ** rng.uniform(-1, 1, len(counts))
        )

        found = ~np.isnan(error)
        assert (np.abs(delay_s / true_s - 1)[found] <= np.maximum(error, 1e-12)[found]).all()
        marked, right = marked + int((~found).sum()), right + int(found.sum())
    assert marked > 100
    assert right > 30


def test_a_load_below_a_floor_is_not_a_number_and_all_others_are() -> None:
    floors = np.log([1.0, 2.0, 3.0])

    for delay_s, below in ((2.0, [False, True, True]), (2.5, [False, False, True])):
        moments = bandwidth_demand.load_moments(np.ones(3), floors, delay_s)

        np.testing.assert_array_equal(np.isnan(moments), [below] * 3)
        assert np.nanmin(moments) > 0


def test_the_crossing_is_where_the_curve_meets_what_the_band_carries() -> None:
    rng = np.random.default_rng(4)
    load, target, fall = 10 ** rng.uniform(-2, 2, (3, 500))
    for bend in (0.0, 0.3, 2.0, 30.0):
        z = bandwidth_demand.crossing(load - target, fall, np.full(500, bend), target)

        assert (1 + bend * z > 0).all()
        for index in np.flatnonzero((z > -0.5) & (bend * z < 8)):
            with mp.workdps(40):
                start, wanted, steep = (
                    mp.mpf(float(given[index])) for given in (load, target, fall)
                )
                excess = mp.mpf(float(load[index] - target[index]))
                slope = wanted + steep - bend * excess
                true = 2 * excess / (slope + mp.sqrt(slope**2 + 4 * wanted * bend * excess))
                assert start - steep * true / (1 + bend * true) == pytest.approx(
                    wanted * (1 + true), abs=1e-12
                )
                assert abs(float(z[index]) - true) < 1e-14 * (1 + abs(true))
