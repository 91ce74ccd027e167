"""Confidence intervals over seeds, against numbers computed by hand and laws with known values."""

from pathlib import Path

import numpy as np
import pytest

from analysis.intervals import interval as module
from analysis.intervals import (
    log_interval,
    mean_band,
    mean_interval,
    median_interval,
    paired_interval,
    quantile_interval,
)
from analysis.intervals.interval import MINIMUM_COVERAGE
from analysis.intervals.limits import sign_test_place
from analysis.intervals.study import REACHED

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_mean_has_students_interval() -> None:
    # Mean 2, standard deviation 1, t(2, 97.5 %) = 4.302653.
    half = 4.302653 / 3**0.5

    result = mean_interval([1.0, 2.0, 3.0, np.nan])

    assert [result.estimate, result.low, result.high] == pytest.approx(
        [2.0, 2.0 - half, 2.0 + half], rel=1e-6
    )
    assert (result.seeds, result.kind) == (3, "mean")


def test_pairs_are_subtracted_before_the_interval() -> None:
    result = paired_interval([11.0, 102.0, 1003.0], [10.0, 100.0, 1000.0])

    assert result == paired_interval([1.0, 2.0, 3.0])
    assert result.high - result.estimate == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_a_log_interval_is_students_of_the_logarithms() -> None:
    # Logarithms 0, 1, 2: their mean is 1, their standard deviation 1.
    half = 4.302653 / 3**0.5

    result = log_interval(np.exp([0.0, 1.0, 2.0]))

    assert [result.estimate, result.low, result.high] == pytest.approx(
        np.exp([1.0, 1.0 - half, 1.0 + half]), rel=1e-6
    )


def test_a_log_interval_of_a_zero_is_that_of_the_median() -> None:
    assert log_interval([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).kind == "median"


@pytest.mark.parametrize(
    ("seeds", "place", "coverage"),
    [(5, 0, 0.0), (6, 1, 1 - 2 / 64), (8, 1, 1 - 2 / 256), (9, 2, 1 - 20 / 512)],
)
def test_the_sign_test_counts_coin_flips(seeds: int, place: int, coverage: float) -> None:
    # P(k or fewer heads): 1/64 of 6 flips; 1/256 of 8; (1 + 9)/512 of 9.
    assert sign_test_place(seeds) == (place, pytest.approx(coverage))


def test_a_median_needs_six_seeds_for_an_interval() -> None:
    assert not median_interval([1.0, 2.0, 3.0, 4.0, 5.0]).known
    result = median_interval([9.0, 2.0, 3.0, 4.0, 5.0, 7.0])
    assert (result.estimate, result.low, result.high) == (4.5, 2.0, 9.0)


@pytest.mark.parametrize(("rounds", "kind"), [(200, "quantile"), (199, "median")])
def test_a_quantile_needs_twenty_rounds_beyond_it(rounds: int, kind: str) -> None:
    assert quantile_interval([1.0, 2.0, 3.0], 0.9, rounds=rounds).kind == kind
    assert quantile_interval([1.0, 2.0, 3.0], 0.99, rounds=10 * rounds).kind == kind


def test_a_band_has_the_interval_of_each_point() -> None:
    curves = np.random.Generator(np.random.Philox(3)).normal(size=(6, 4))

    band = mean_band(curves)

    for point in range(4):
        result = mean_interval(curves[:, point])
        assert (band.estimate[point], band.low[point], band.high[point]) == pytest.approx(
            (result.estimate, result.low, result.high)
        )
    assert band.coverage == mean_interval(curves[:, 0]).coverage


def test_an_interval_that_covers_too_little_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.REACHED, "mean", {3: 0.929, 5: 0.93, 10: 0.95})

    known = {seeds: mean_interval(np.arange(seeds)).coverage for seeds in (2, 3, 4, 5, 7, 10, 40)}

    assert known == {2: None, 3: None, 4: None, 5: 0.93, 7: 0.93, 10: 0.95, 40: 0.95}
    assert np.isnan(mean_interval(np.arange(3.0)).low)
    assert np.isnan(mean_band(np.ones((4, 2))).high).all()


def test_the_page_of_statistics_has_the_coverages_of_the_study() -> None:
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    lines = page[page.index("| seeds |") :].split("\n\n")[0].splitlines()
    header, _, *rows = [line.strip("| ").split(" | ") for line in lines]

    assert set(header[1:]) == set(REACHED)
    for row in rows:
        for kind, text in zip(header[1:], row[1:], strict=True):
            reached = REACHED[kind][int(row[0])]
            shown = f"{100 * reached:.1f} %" if reached >= MINIMUM_COVERAGE else "–"
            assert text == shown, (kind, row[0])
    assert [int(row[0]) for row in rows] == list(REACHED["mean"])
