"""Hill's index against distributions with a known tail."""

import numpy as np
import pytest

from analysis.policies import hill


@pytest.mark.parametrize("index", [0.8, 1.5, 3.0])
def test_hill_finds_the_index_of_a_pareto_law(index: float) -> None:
    u = np.random.Generator(np.random.Philox(1)).random(40_000)
    estimate = hill((1 - u) ** (-1 / index))

    half_width = 4 * index / (0.05 * 40_000) ** 0.5
    assert half_width < 0.1 * index, "too few draws for the test to say anything"
    assert estimate == pytest.approx(index, abs=half_width)


def test_hill_is_none_for_few_or_equal_values() -> None:
    assert hill(np.linspace(1, 2, 30)) is None
    assert hill(np.full(10_000, 3.0)) is None
