"""Under which conditions a bound speaks about a run, and whether they hold."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray

from analysis.bound.constants import Constants
from analysis.metrics import times_scheduled
from analysis.run_directory import Run

CHANCE = 0.01
"""A choice of devices counts as not uniform where chance alone would do this more rarely."""


@final
@dataclass(frozen=True)
class Condition:
    """A condition of the theorem: it holds, it does not, or (None) the trace cannot tell."""

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
    """Return the conditions that the paper prints with Theorem 1, and that it is no bound where
    they hold.
    """
    step, large = constants.step, constants.smoothness
    count, k = scheduled[scheduled > 0].astype(float), constants.devices
    limit = (
        step * count * (k - 1) / ((k - 1) * count * step**2 + k - count)
        if k > 1
        else np.array([1 / step])
    )
    met = float((large < limit).mean()) if len(limit) else 0.0
    return [
        Condition(
            "L < eta / (eta^2 + 1)",
            large < step / (step**2 + 1),
            f"L = {large:.4g}, eta / (eta^2 + 1) = {step / (step**2 + 1):.4g}, its value for N = 1",
        ),
        Condition(
            "L < eta N (K-1) / ((K-1) N eta^2 + K - N)",
            met == 1.0,
            f"in {met:.1%} of the rounds with devices",
        ),
        plain_sgd(run),
        uniform_selection(run),
        Condition(
            "valid", False, "not a bound even where its conditions hold; see docs/theorem1.md"
        ),
    ]


def plain_sgd(run: Run) -> Condition:
    """Return whether the step is that of (3) and (4): SGD without momentum, one step for matrices
    and heads.
    """
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
    """Return whether every device is equally likely to be chosen, as far as its number of rounds
    tells.

    Pearson's statistic of how often each device was scheduled, with the variance of drawing N(t) of
    K without replacement in independent rounds. Equal counts do not prove a choice that is
    independent of the gradients.
    """
    scheduled = run.arrays("rounds", "scheduled")["scheduled"]
    times, k = times_scheduled(run), run.device_count
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
    """Return the probability that a uniform choice spreads the counts of the devices at least this
    much.
    """
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
