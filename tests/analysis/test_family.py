"""Families of claims: Holm's verdicts and the simultaneous intervals that belong to them."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from analysis.intervals import Differences, judge_family

RNG = np.random.Generator(np.random.Philox(5))


def shifted(mean: float, seeds: int = 12) -> Differences:
    """Return differences with exactly this mean and a standard deviation of 1."""
    values = RNG.normal(size=seeds)
    return Differences((values - values.mean()) / values.std(ddof=1) + mean)


def p_above(differences: Differences) -> float:
    """Return the one-sided p-value of a positive mean, by scipy's own test."""
    return float(ttest_1samp(differences.values, 0.0, alternative="greater").pvalue)


def test_holm_multiplies_the_smallest_p_by_the_number_of_claims() -> None:
    claims = {"strong": shifted(1.4), "weak": shifted(0.9), "none": shifted(0.1)}
    single = {name: p_above(entry) for name, entry in claims.items()}

    result = judge_family({name: [entry] for name, entry in claims.items()})

    assert result["strong"].p == pytest.approx(2 * 3 * single["strong"], rel=1e-6)
    assert result["weak"].p == pytest.approx(2 * 2 * single["weak"], rel=1e-6)
    assert result["none"].p == pytest.approx(2 * single["none"], rel=1e-6)
    assert [entry.verdict for entry in result.values()] == ["held", "held", "undecided"]


def test_an_ordering_is_one_claim_with_the_p_of_its_weakest_pair() -> None:
    strong, weak, other = shifted(2.0), shifted(0.8), shifted(0.0)

    result = judge_family({"order": [strong, weak], "other": [other]})

    assert result["order"].p == pytest.approx(2 * 2 * p_above(weak), rel=1e-6)


def test_a_claim_with_one_wrong_pair_is_not_held() -> None:
    strong, wrong = shifted(2.0), shifted(-2.0)
    two_pairs = 2

    result = judge_family({"order": [strong, wrong]})["order"]

    assert result.verdict == "not held"
    assert result.p == pytest.approx(2 * two_pairs * (1 - p_above(wrong)), rel=1e-6)
    assert result.high < 0


@pytest.mark.parametrize("effects", [(0.3, 0.5, 0.9, 1.5), (-1.5, -0.7, 0.7, 1.5), (2.0, 3.0)])
def test_simultaneous_intervals_agree_with_the_verdicts(effects: tuple[float, ...]) -> None:
    for seeds in (3, 5, 10):
        claims = {str(effect): [shifted(effect, seeds)] for effect in effects}
        for judgement in judge_family(claims).values():
            held, refuted = judgement.low >= 0, judgement.high <= 0
            assert (judgement.verdict == "held") == held
            assert (judgement.verdict == "not held") == refuted
            assert (judgement.p <= 0.05) == (held or refuted)


def test_simultaneous_intervals_are_wrong_together_in_five_percent() -> None:
    # The worst case of Bonferroni: independent claims that are all true nulls.
    truths = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 3.0}
    samples, right = 1500, 0
    for _ in range(samples):
        claims = {
            name: [Differences(RNG.normal(truth, 1.0, size=6))] for name, truth in truths.items()
        }
        result = judge_family(claims)
        right += all(result[name].low <= truths[name] <= result[name].high for name in truths)

    half_width = 3 * (0.95 * 0.05 / samples) ** 0.5
    assert half_width < 0.02
    assert right / samples > 0.95 - half_width  # plain 95 % intervals: 0.95**4 = 0.81


def test_medians_are_judged_by_the_sign_test() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, -0.5, 9.0])

    result = judge_family({"median": [Differences(values, by_median=True)]})["median"]

    assert result.p == pytest.approx(2 * binomtest(9, 10, 0.5, alternative="greater").pvalue)
    # Of ten values, the second smallest is above the median with a chance of 11 / 1024.
    assert (result.low, result.high, result.verdict) == (1.0, 8.0, "held")


def test_a_claim_with_too_few_seeds_is_undecided_and_counts() -> None:
    strong = shifted(1.4)

    alone = judge_family({"strong": [strong]})["strong"]
    result = judge_family({"strong": [strong], "single": [Differences(np.array([5.0]))]})

    assert result["single"].verdict == "undecided"
    assert math.isinf(result["single"].low)
    assert result["strong"].p == pytest.approx(2 * alone.p, rel=1e-6)
