"""Spectral efficiency: the errors that its functions state."""

import numpy as np
import pytest

from netsim.allocation import spectral_efficiency as kernel

LOG_RATIO = np.geomspace(1e-8, 700, 20_001)
EFFICIENCY = kernel.efficiency(LOG_RATIO)
SLOPE = kernel.log_slope(EFFICIENCY)


def test_the_initial_efficiency_has_at_most_the_errors_it_states() -> None:
    y, slope = kernel.initial_efficiency(LOG_RATIO)

    error = float(np.abs(y / EFFICIENCY - 1).max())
    assert 2e-5 < error < 2.4e-5
    assert (np.abs(slope / SLOPE - 1) < 4e-5 * (1 + EFFICIENCY)).all()


def test_one_halley_step_is_exact_in_the_logarithm_of_the_delay() -> None:
    y, slope = kernel.efficiency_halley(LOG_RATIO, near_floor=True)
    clear = LOG_RATIO > 1e-2

    assert (np.abs(y / EFFICIENCY - 1) * SLOPE)[clear].max() < 1e-15 * LOG_RATIO[-1]
    np.testing.assert_allclose(y, EFFICIENCY, rtol=1e-11)
    np.testing.assert_allclose(slope[clear], SLOPE[clear], rtol=1e-6)


def test_the_scalar_efficiency_has_the_error_it_states() -> None:
    scalar = np.array([kernel.scalar_efficiency(value) for value in LOG_RATIO[::20].tolist()])

    np.testing.assert_allclose(scalar, EFFICIENCY[::20], rtol=1e-8)
    assert kernel.scalar_efficiency(0.0) == 0.0
    assert kernel.scalar_log_delay_ratio(3.0) == pytest.approx(
        float(kernel.log_delay_ratio(np.array([3.0]))[0]), rel=1e-15
    )
