"""Theorem 1: printed against its formula, corrected against a problem of known constants."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.quadratic_task import Quadratic

from analysis import ConstantError
from analysis.bound import (
    Constants,
    corrected,
    diversity,
    gradient_variance,
    polyak,
    printed,
    smoothness,
)

SEEDS = 1000
CENTRES = np.random.Generator(np.random.Philox(11)).normal(size=(5, 4))
MIXED = [1, 3, 5, 0, 2] * 16


def direct_13(counts: list[int], c: Constants) -> float:
    """Evaluate (13) with (14) to (16) as sums and products, term by term."""
    last = len(counts) - 1

    def zeta(t: int) -> float:
        n = counts[t]
        first = -(c.smoothness * c.step**2 - c.step) / c.devices**2
        return first - (c.devices - n) * c.smoothness / (2 * n * (c.devices - 1) * c.devices**2)

    def alpha(t: int) -> float:
        return c.gradient_variance * c.devices**2 * zeta(t) * c.lora_size

    def product(i: int) -> float:
        return float(np.prod([1 - 2 * c.polyak * zeta(last - j) for j in range(i)]))

    beta = c.head_size * (c.smoothness * c.step**2 - c.step) * c.gradient_variance
    initial = float(np.prod([1 - 2 * c.polyak * zeta(i) for i in range(last + 1)])) * c.initial_gap
    lora = -sum(product(i) * alpha(last - i) for i in range(1, last + 1)) - alpha(last)
    task = beta * (1 + sum(product(i) for i in range(1, last + 1)))
    return initial + lora + task


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=30),
    step=st.floats(1e-3, 1.0),
    smooth=st.floats(1e-3, 3.0),
    tau=st.floats(0.0, 1.0),
    noise=st.floats(0.0, 2.0),
)
def test_printed_is_equation_13(
    counts: list[int], step: float, smooth: float, tau: float, noise: float
) -> None:
    constants = Constants(
        step=step,
        devices=6,
        smoothness=smooth,
        gradient_variance=noise,
        diversity=0.3,
        polyak=tau,
        lora_size=7,
        head_size=3,
        initial_gap=2.0,
    )

    assert printed(counts, constants).gap.iloc[-1] == pytest.approx(
        direct_13(counts, constants), rel=1e-9
    )


def test_corrected_by_hand() -> None:
    # eta 0.1, L 2, tau 1, K 3: keep 0.9, L eta^2 / 2 = 0.01.
    # Round 1, N 1: 0.9 x 4 + 0.01 (2 x 5 / 1 + (3 - 1) 6 / (1 x 2) + 1 x 2 x 7 / 3) = 3.6 + 0.01
    # (10 + 6 + 14/3) Round 2, N 3: 0.9 x that + 0.01 (10 / 3 + 0 + 14).
    constants = Constants(
        step=0.1,
        devices=3,
        smoothness=2.0,
        gradient_variance=2.0,
        diversity=6.0,
        polyak=1.0,
        lora_size=5,
        head_size=7,
        initial_gap=4.0,
    )
    first = 3.6 + 0.01 * (10 + 6 + 14 / 3)

    result = corrected([1, 3, 0], constants)

    assert result.gap.tolist() == pytest.approx(
        [4.0, first, 0.9 * first + 0.01 * (10 / 3 + 14), 0.9 * first + 0.01 * (10 / 3 + 14)]
    )
    assert result.selection.tolist()[:2] == pytest.approx([0.0, 0.06])


@pytest.mark.parametrize("version", [corrected, printed])
def test_the_parts_sum_to_the_gap_and_no_device_leaves_it(version: type) -> None:
    constants = Quadratic(CENTRES, 3, 0.4, kappa=2.0, noise=0.5, step=0.3).constants

    result = version([2, 0, 5, 1], constants)  # type: ignore[call-arg]

    assert result.drop(columns=["round", "gap"]).sum(axis=1).tolist() == pytest.approx(
        result.gap.tolist()
    )
    assert result.gap[2] == result.gap[1]


@pytest.mark.parametrize("counts", [[5] * 80, [1] * 80, MIXED], ids=["all", "one", "mixed"])
@pytest.mark.parametrize("step", [0.5, 0.1])
@pytest.mark.parametrize("head_size", [0, 3])
def test_corrected_holds_if_the_constants_are_known(
    counts: list[int], step: float, head_size: int
) -> None:
    problem = Quadratic(CENTRES, head_size, lam=0.4, kappa=2.0, noise=0.5, step=step)

    gaps = problem.gaps(counts, SEEDS)
    mean, error = gaps.mean(axis=0), gaps.std(axis=0) / SEEDS**0.5
    bound = corrected(counts, problem.constants).gap.to_numpy()

    assert (mean[1:] <= bound[1:] + 4 * error[1:]).all()
    assert (error <= 0.05 * mean).all()  # else a violation could hide in the noise


@pytest.mark.parametrize("count", [1, 2, 5])
def test_corrected_is_reached_at_the_largest_step(count: int) -> None:
    # At eta = 1/L without heads, every step lands on the mean of the chosen centres plus noise: an
    # equality.
    problem = Quadratic(CENTRES, 0, lam=2.0, kappa=0.0, noise=0.5, step=0.5)

    gaps = problem.gaps([count] * 3, SEEDS * 20)
    mean, error = gaps.mean(axis=0)[1:], gaps.std(axis=0)[1:] / (SEEDS * 20) ** 0.5
    bound = corrected([count] * 3, problem.constants).gap.to_numpy()[1:]

    assert (np.abs(mean - bound) < 4 * error).all()
    assert (4 * error < 0.05 * bound).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_corrected_is_reached_in_one_step_from_the_optimum(count: int) -> None:
    # Nothing is left to descend: noise, selection and heads add exactly what the three parts say.
    problem = Quadratic(0.2 * CENTRES, 3, lam=2.0, kappa=2.0, noise=0.5, step=0.1, start=0.0)

    gaps = problem.gaps([count], SEEDS * 20)[:, 1]
    mean, error = gaps.mean(), gaps.std() / (SEEDS * 20) ** 0.5
    bound = corrected([count], problem.constants).iloc[1]

    assert abs(mean - bound.gap) < 4 * error
    assert 4 * error < 0.2 * bound[["gradient_noise", "task_module"]].min()


def test_printed_fails_if_noise_should_help_descent() -> None:
    # All devices, so that (14) has no (K - N) term, and 0 < L < eta / (eta^2 + 1): the conditions
    # that it states.
    problem = Quadratic(CENTRES, 3, lam=0.3, kappa=0.3, noise=0.5, step=0.5)
    counts = [5] * 80
    assert problem.constants.smoothness < 0.5 / (0.5**2 + 1)

    gaps = problem.gaps(counts, SEEDS)
    mean, error = gaps.mean(axis=0), gaps.std(axis=0) / SEEDS**0.5
    claimed = printed(counts, problem.constants).gap.to_numpy()

    assert (claimed[1:] < mean[1:] - 4 * error[1:]).all()
    assert claimed[-1] < 0 < mean[-1]  # a gap is never negative
    assert (mean[1:] <= corrected(counts, problem.constants).gap[1:] + 4 * error[1:]).all()


def test_printed_is_empty_at_realistic_constants() -> None:
    # eta = 1e-4 and N = 8 of 20: the printed condition is L < eta N (K-1) / (K - N) = 1.27e-3, and
    # from twice that on (14) is negative: the claimed gap grows, whatever the gradients are.
    base = Quadratic(np.zeros((20, 4)), 3, lam=1.0, kappa=1.0, noise=0.1, step=1e-4).constants

    quiet = replace(base, gradient_variance=0.0)

    assert (np.diff(printed([8] * 50, replace(quiet, smoothness=2.5e-3)).gap) < 0).all()
    assert (np.diff(printed([8] * 50, replace(quiet, smoothness=2.6e-3)).gap) > 0).all()


def test_corrected_needs_a_uniform_choice() -> None:
    problem = Quadratic(CENTRES, 0, lam=2.0, kappa=0.0, noise=0.1, step=0.02)
    counts = [1] * 300

    bound = corrected(counts, problem.constants).gap.to_numpy()[-1]

    assert problem.gaps(counts, SEEDS, biased=True).mean(axis=0)[-1] > 2 * bound
    assert problem.gaps(counts, SEEDS).mean(axis=0)[-1] <= bound


def test_measured_gradients_give_the_constants_back() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    problem = Quadratic(CENTRES, 0, lam=0.4, kappa=0.0, noise=0.5, step=0.1)
    means = 0.4 * (1.7 - CENTRES)
    gradients = means[:, None] + 0.5 * rng.normal(size=(5, 2000, 4))
    points = rng.normal(size=(30, 4))

    assert gradient_variance(gradients) == pytest.approx(0.25, rel=0.03)
    assert diversity(gradients) == pytest.approx(problem.constants.diversity, rel=0.03)
    assert smoothness(points, 0.4 * points) == pytest.approx(0.4)
    assert polyak(0.4 * points, 0.2 * (points**2).sum(axis=1)) == pytest.approx(0.4)


def test_noise_alone_is_no_diversity() -> None:
    rng = np.random.Generator(np.random.Philox(4))
    result = [diversity(rng.normal(size=(5, 4, 50))) for _ in range(200)]

    # Without the correction it would be (1 - 1/5) x 50 / 4 = 10; clipped at 0, half of the
    # estimates are 0.
    assert np.mean(result) < 1.0


def test_a_constant_without_meaning_is_refused() -> None:
    good = Quadratic(CENTRES, 3, 0.4, kappa=2.0, noise=0.5, step=0.3).constants

    with pytest.raises(ConstantError, match=r"smoothness = -1\.0 is not a number of at least 0"):
        replace(good, smoothness=-1.0)
    with pytest.raises(ConstantError, match="polyak = nan is not"):
        replace(good, polyak=float("nan"))
