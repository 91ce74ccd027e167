"""Conditions of Theorem 1: whether each of them holds in a run."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray

from analysis.bound.constants import Constants
from analysis.metrics import times_scheduled
from analysis.run import Run

CHANCE = 0.01
"""Significance level: a selection is not uniform if chance alone has a smaller probability."""


@final
@dataclass(frozen=True)
class Condition:
    """Condition of the theorem: true, false, or None if the trace does not decide it."""

    name: str
    holds: bool | None
    detail: str


def of_corrected(run: Run, constants: Constants, arrived: ndarray) -> list[Condition]:
    """Return the conditions of the corrected bound for a run."""
    product = constants.step * constants.smoothness
    idle = int((arrived == 0).sum())
    return [
        Condition("eta L <= 1", product <= 1, f"eta L = {product:.4g}"),
        Condition(
            "tau <= L",
            constants.polyak <= constants.smoothness,
            f"tau = {constants.polyak:.4g}, L = {constants.smoothness:.4g}",
        ),
        plain_sgd(run),
        uniform_selection(run),
        Condition(
            "N >= 1",
            True,
            f"{idle} of {len(arrived)} rounds without a device leave the gap as it is",
        ),
        *_assumed(),
    ]


def of_printed(run: Run, constants: Constants, scheduled: ndarray) -> list[Condition]:
    """Return the conditions that the paper prints with Theorem 1.

    The last one, ``valid``, is always false: the printed formula is no bound even if the others
    hold.
    """
    step = constants.step
    smoothness = constants.smoothness
    count = scheduled[scheduled > 0].astype(float)
    k = constants.devices
    limit = (
        step * count * (k - 1) / ((k - 1) * count * step**2 + k - count)
        if k > 1
        else np.array([1 / step])
    )
    met = float((smoothness < limit).mean()) if len(limit) else 0.0
    single = step / (step**2 + 1)
    return [
        Condition(
            "L < eta / (eta^2 + 1)",
            smoothness < single,
            f"L = {smoothness:.4g}, eta / (eta^2 + 1) = {single:.4g}, its value for N = 1",
        ),
        Condition(
            "L < eta N (K-1) / ((K-1) N eta^2 + K - N)",
            met == 1.0,
            f"in {met:.1%} of the rounds with devices",
        ),
        plain_sgd(run),
        uniform_selection(run),
        Condition(
            "valid", False, "not a bound even if its conditions hold; see 'airtune docs theorem1'"
        ),
    ]


def plain_sgd(run: Run) -> Condition:
    """Return the condition of (3) and (4): SGD without momentum, one rate for all parameters."""
    learner = run.scenario.get("learner", {})
    optimizers = [learner[key] for key in ("optimizer", "head_optimizer") if key in learner]
    if not optimizers:
        return Condition("plain SGD", None, "the run has no learner")
    plain = all(
        entry.get("kind") == "sgd" and entry.get("momentum", 0.0) == 0 for entry in optimizers
    )
    one_step = len({entry.get("lr") for entry in optimizers}) == 1
    used = [
        ", ".join(f"{key} {entry[key]}" for key in ("kind", "lr", "momentum") if key in entry)
        for entry in optimizers
    ]
    return Condition("plain SGD", plain and one_step, "; heads: ".join(used))


def uniform_selection(run: Run) -> Condition:
    """Return the condition that every device is equally likely to be scheduled.

    The test is Pearson's statistic of the rounds per device, with the variance of drawing N(t) of K
    without replacement in independent rounds. Equal counts do not prove that the selection is
    independent of the gradients.
    """
    scheduled = run.arrays("rounds", "scheduled")["scheduled"]
    times = times_scheduled(run)
    k = run.device_count
    name = "uniform selection"
    shares = times / max(len(scheduled), 1)
    spread = f"devices took part in {shares.min():.1%} to {shares.max():.1%} of the rounds"
    if (scheduled == k).all():
        return Condition(name, True, "every device in every round")
    chance = uniform_chance(times, scheduled, k)
    if chance < CHANCE:
        return Condition(
            name, False, f"{spread}: chance alone would do this in {chance:.2g} of runs"
        )
    return Condition(name, None, f"{spread}, which chance alone explains ({chance:.2g})")


def uniform_chance(times: ndarray, scheduled: ndarray, devices: int) -> float:
    """Return the probability that uniform selection spreads the counts at least this much."""
    from scipy.special import chdtrc

    share = scheduled / devices
    variance = float((share * (1.0 - share)).sum())
    if variance == 0.0:
        return 1.0
    statistic = (devices - 1) / devices * float(((times - times.mean()) ** 2).sum()) / variance
    return float(chdtrc(devices - 1, statistic))


def _assumed() -> list[Condition]:
    return [
        Condition(
            "unbiased gradients of bounded variance", None, "assumed; a trace holds no gradients"
        ),
        Condition("Polyak-Lojasiewicz", None, "assumed; a trace visits one path"),
    ]
