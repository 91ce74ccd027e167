import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from netsim.allocation import common_delay
from netsim.link import shannon

NOISE_PSD = 1e-11
examples = settings(deadline=None)


def test_the_rate_is_shannons_over_each_device_s_own_band() -> None:
    # SNR 3 over 1 MHz: log2(1 + 3) = 2 bit/s/Hz; twice the power over twice the band leaves the
    # SNR.
    gain = 3 * 1e6 * NOISE_PSD

    rate_bps = shannon.rate(np.array([1e6, 2e6, 0.0]), gain, NOISE_PSD, np.array([1.0, 2.0, 1.0]))

    np.testing.assert_allclose(rate_bps, [2e6, 4e6, 0.0], rtol=1e-15)


def test_the_capacity_floor_is_the_delay_of_unlimited_bandwidth() -> None:
    bits, gain, power_w = 1e6, 2e-6, 0.5

    floor_s = shannon.capacity_floor(bits, gain, NOISE_PSD, power_w)

    assert floor_s == pytest.approx(bits / shannon.rate(1e18, gain, NOISE_PSD, power_w), rel=1e-6)
    assert floor_s == pytest.approx(1e6 * 1e-11 * 0.6931471805599453 / 1e-6, rel=1e-15)


@examples
@given(
    bits=st.floats(1e3, 1e9),
    gain=st.floats(1e-15, 1.0),
    power_w=st.floats(1e-3, 10.0),
    above=st.floats(1e-6, 1e6),
)
def test_a_device_with_the_bandwidth_for_a_delay_has_that_delay(
    bits: float, gain: float, power_w: float, above: float
) -> None:
    delay_s = float(shannon.capacity_floor(bits, gain, NOISE_PSD, power_w)) * (1 + above)

    band_hz = common_delay.bandwidth_for_delay(bits, delay_s, gain, NOISE_PSD, power_w)

    assert bits / shannon.rate(band_hz, gain, NOISE_PSD, power_w) == pytest.approx(
        delay_s, rel=1e-12
    )


def test_no_bandwidth_suffices_below_the_floor_or_without_gain() -> None:
    floor_s = float(shannon.capacity_floor(1e6, 1e-6, NOISE_PSD))

    band_hz = common_delay.bandwidth_for_delay(
        1e6, [floor_s, 0.5 * floor_s, 1.0], [1e-6, 1e-6, 0.0], NOISE_PSD
    )

    assert (band_hz == np.inf).all()
    assert common_delay.bandwidth_for_delay(0.0, 1.0, 1e-6, NOISE_PSD) == 0.0


@pytest.mark.parametrize("ratio", [1.01, 1.5, 10.0, 1e4])
def test_lemma_3_with_nu_the_right_way_up_gives_the_same_bandwidth(ratio: float) -> None:
    bits, gain = 5e7, 1e-5
    delay_s = ratio * float(shannon.capacity_floor(bits, gain, NOISE_PSD))
    nu = -bits * NOISE_PSD / (delay_s * gain)
    branch = lambertw(nu * 2**nu * np.log(2), -1).real

    inverse = -delay_s * branch / (bits * np.log(2)) - NOISE_PSD / gain

    # The literal formula subtracts nearly equal numbers on both of its ends: less is not to be had
    # from it.
    assert common_delay.bandwidth_for_delay(bits, delay_s, gain, NOISE_PSD) == pytest.approx(
        1 / inverse, rel=1e-9
    )


def test_two_equal_devices_share_the_band_and_one_alone_has_it_all() -> None:
    gain = 1e-6

    one_s, one_hz = common_delay.min_delay(1e6, gain, 1e6, NOISE_PSD)
    two_s, two_hz = common_delay.min_delay([1e6, 1e6], gain, 2e6, NOISE_PSD)

    np.testing.assert_allclose(one_hz, [1e6], rtol=1e-15)
    np.testing.assert_allclose(two_hz, [1e6, 1e6], rtol=1e-15)
    assert one_s == pytest.approx(1e6 / float(shannon.rate(1e6, gain, NOISE_PSD)), rel=1e-15)
    assert two_s == pytest.approx(one_s, rel=1e-15)


sets = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-12, 0), min_size=n, max_size=n),
        st.lists(st.floats(3, 9), min_size=n, max_size=n),
        st.lists(st.floats(-3, 1), min_size=n, max_size=n),
        st.floats(3, 9),
    )
)


@examples
@given(sets)
def test_all_devices_of_a_set_end_at_the_common_delay_and_fill_the_band(
    case: tuple[list[float], list[float], list[float], float],
) -> None:
    gain, bits, power_w = (10.0 ** np.array(exponents) for exponents in case[:3])
    bandwidth_hz = 10.0 ** case[3]

    delay_s, share_hz = common_delay.min_delay(bits, gain, bandwidth_hz, NOISE_PSD, power_w)

    each_s = bits / shannon.rate(share_hz, gain, NOISE_PSD, power_w)
    np.testing.assert_allclose(each_s, delay_s, rtol=1e-13)
    assert share_hz.sum() == pytest.approx(bandwidth_hz, rel=1e-13)
    assert (share_hz > 0).all()


@examples
@given(sets, st.floats(-12, 6))
def test_the_start_of_the_search_does_not_change_the_common_delay(
    case: tuple[list[float], list[float], list[float], float], above: float
) -> None:
    gain, bits, power_w = (10.0 ** np.array(exponents) for exponents in case[:3])
    floor_s = shannon.capacity_floor(bits, gain, NOISE_PSD, power_w)

    plain = common_delay.common_delay(bits, floor_s, 10.0 ** case[3])
    guided = common_delay.common_delay(
        bits, floor_s, 10.0 ** case[3], float(floor_s.max()) * (1 + 10.0**above)
    )

    assert guided[0] == pytest.approx(plain[0], rel=1e-14)


def test_a_deep_fade_among_a_thousand_devices_does_not_stop_the_search() -> None:
    # The slope of the demand in ln y nearly vanishes between the fade's branch and that of the
    # others.
    gain = np.append(np.full(999, 1e-5), 1e-11)

    for above in (1e-9, 1e-3, 1.0, 1e3):
        floor_s = shannon.capacity_floor(5e7, gain, NOISE_PSD)
        delay_s, share_hz, _ = common_delay.common_delay(
            np.full(1000, 5e7), floor_s, 1e7, floor_s.max() * (1 + above)
        )

        assert share_hz.sum() == pytest.approx(1e7, rel=1e-13)
        assert 1 < delay_s / floor_s.max() < 1.01


def test_an_empty_set_has_delay_0_and_a_device_without_gain_infinity() -> None:
    assert common_delay.min_delay([], [], 1e6, NOISE_PSD)[0] == 0.0
    delay_s, share_hz = common_delay.min_delay([1.0, 1.0], [1e-6, 0.0], 1e6, NOISE_PSD)
    assert delay_s == np.inf
    assert (share_hz == 0).all()


def test_a_device_without_bits_gets_no_bandwidth_and_changes_nothing() -> None:
    with_it = common_delay.min_delay([1e6, 0.0, 2e6], [1e-6, 1e-6, 1e-7], 1e6, NOISE_PSD)
    without = common_delay.min_delay([1e6, 2e6], [1e-6, 1e-7], 1e6, NOISE_PSD)

    assert with_it[0] == without[0]
    np.testing.assert_array_equal(with_it[1], [without[1][0], 0.0, without[1][1]])


@examples
@given(sets)
def test_a_weaker_or_additional_device_never_shortens_the_common_delay(
    case: tuple[list[float], list[float], list[float], float],
) -> None:
    gain, bits, power_w = (10.0 ** np.array(exponents) for exponents in case[:3])
    band_hz = 10.0 ** case[3]

    delay_s, _ = common_delay.min_delay(bits, gain, band_hz, NOISE_PSD, power_w)
    fewer_s, _ = common_delay.min_delay(bits[1:], gain[1:], band_hz, NOISE_PSD, power_w[1:])
    weaker_s, _ = common_delay.min_delay(
        bits, gain * np.where(np.arange(len(gain)) == 0, 0.5, 1.0), band_hz, NOISE_PSD, power_w
    )

    assert fewer_s <= delay_s * (1 + 1e-14)
    assert weaker_s >= delay_s * (1 - 1e-14)


@pytest.mark.parametrize("count", [2, 100, 3600])
@pytest.mark.parametrize("log_snr", [-20, -12, -3, 0, 6, 30, 100, 300])
def test_equal_devices_share_the_band_equally_at_any_gain(count: int, log_snr: int) -> None:
    bits, gain = np.full(count, 1e6), np.full(count, 1e7 * 1e-11 * 10.0**log_snr)

    delay_s, share_hz = common_delay.min_delay(bits, gain, 1e7, 1e-11)

    np.testing.assert_allclose(share_hz, 1e7 / count, rtol=1e-10)
    np.testing.assert_allclose(bits / shannon.rate(share_hz, gain, 1e-11), delay_s, rtol=1e-13)
