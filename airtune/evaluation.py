"""Evaluation of policies, above all trained ones, against built-in policies in held-out worlds."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from typing_extensions import override

from airtune.runs import run
from analysis import Run
from analysis.comparison import compare, heavy_tail, long_rounds
from analysis.intervals import median_interval, paired_interval
from analysis.metrics import summary
from analysis.runs import Runs
from coupling import Scenario, ScenarioError
from coupling.gym.episodes import FIRST_TRAINING_SEED, load_scenario
from coupling.gym.optimum import optimum, predicted_objective
from coupling.sweeps.compare import settings_per_policy
from netsim.scheduling import Allocation, Objective, Policy, RoundState

HELD_OUT: Final = range(20)
"""Worlds of an evaluation by default. Training draws none with a seed below 10,000."""
AGAINST: Final = ("exact", "algorithm1", "aaba", "greedy")
"""Built-in policies that are met by default."""
STEP: Final = 2.0**0.5
"""Ratio of two neighbouring budgets of a built-in policy."""
_INITIAL_STEPS: Final = 2
_MAXIMUM_STEPS: Final = 14
_COSTS: Final[dict[str, Callable[[Run], float]]] = {
    "delay": lambda run: float(run.arrays("rounds", "delay_s")["delay_s"].mean()),
    "energy": lambda run: float(run.arrays("rounds", "energy_j")["energy_j"].sum()),
}
_VALUES: Final = ("arrived_mean", "accuracy_last")


@final
@dataclass(frozen=True)
class PolicyEvaluation:
    """Tables of an evaluation; each has one row per policy, or per policy and other policy."""

    differences: pd.DataFrame
    """Paired differences from the first policy at equal budgets: see ``airtune.compare``."""
    at_equal_cost: pd.DataFrame
    """Differences at the mean delay (or energy) that each policy realised, paired over worlds.

    ``difference`` is the value of ``against`` minus that of ``policy``: against ``exact`` it is the
    *regret* of the policy. ``low`` and ``high`` are the 95 % limits of its ``kind``, ``pairs`` is
    the number of worlds in which the other policy reached that cost.
    """
    gaps: pd.DataFrame
    """Gap of each policy to the maximum J of the states that it met: the mean and the median over
    rounds, as means over the worlds. It is no regret: J holds the policy's own queue.
    """
    worlds: pd.DataFrame
    """One row per policy and world: the cost, the values and the gaps, and for each built-in policy
    its value at this cost, such as ``arrived_mean_exact``."""


def evaluate(
    policy: Policy | Mapping[str, Policy],
    scenario: Scenario | str | Path,
    seeds: Sequence[int] = HELD_OUT,
    *,
    against: Sequence[str] = AGAINST,
    settings: Mapping[str, object] | None = None,
    equal: Literal["delay", "energy"] = "delay",
    learning: bool = False,
) -> PolicyEvaluation:
    """Evaluate a policy, or several by name, against built-in policies in held-out worlds.

    All policies meet the same worlds. Worlds with seeds from 10,000 on are those of training and
    are refused. Every built-in policy also runs with budgets in steps of the square root of 2, from
    a half to twice the scenario's and on until its costs span those of the policies; in each world
    its value at a policy's cost is interpolated linearly over the logarithm of the cost.

    Args:
        policy: Policy to evaluate; each world gets a fresh copy.
        scenario: Scenario, the file of one, or the name of a bundled one.
        seeds: Seeds of the worlds.
        against: Names of built-in policies; the regret needs ``exact``.
        settings: Values of keys; an option of one policy reaches that policy alone.
        equal: ``delay`` for equal mean delays, ``energy`` for equal energies.
        learning: Whether the model is trained; then accuracies are compared, too.

    Raises:
        ScenarioError: a name, a setting or a seed is not valid.
        RunError: a run failed.
    """
    if equal not in _COSTS:
        raise ScenarioError(f"equal = {equal!r} is not one of delay, energy")
    if not len(seeds) or not all(0 <= seed < FIRST_TRAINING_SEED for seed in seeds):
        raise ScenarioError(
            f"seeds: needs at least one, each from 0 to {FIRST_TRAINING_SEED - 1}; "
            "larger ones are worlds of training"
        )
    policies = {"policy": policy} if isinstance(policy, Policy) else dict(policy)
    trial = _Trial(load_scenario(scenario), against, seeds, settings or {}, learning=learning)
    runs = {name: trial.runs(name, given=given) for name, given in policies.items()}
    for name in against:
        runs[name] = trial.runs(name)
    rows = {name: _world_rows(name, runs[name], trial.gaps, equal) for name in runs}
    costs = np.array([row["cost"] for name in policies for row in rows[name]])
    equal_rows = []
    for other in against:
        curve = _CostCurve.of(trial, other, runs[other], costs=costs, cost=_COSTS[equal])
        for name in policies:
            for metric in _VALUES:
                reached = curve.values(runs[name], metric)
                for row, value in zip(rows[name], reached, strict=True):
                    row[f"{metric}_{other}"] = value
                equal_rows += curve.rows(name, runs[name], metric, values=reached)
    worlds = pd.DataFrame([row for name in runs for row in rows[name]])
    everything = Runs([one for group in runs.values() for one in group])
    gaps = worlds.groupby("policy", sort=False)[["gap_mean", "gap_median"]].mean().reset_index()
    return PolicyEvaluation(compare(everything), pd.DataFrame(equal_rows), gaps, worlds)


@final
class _Trial:
    """Runs of policies in the worlds of an evaluation, with the gap of every round."""

    def __init__(
        self,
        scenario: Scenario,
        against: Sequence[str],
        seeds: Sequence[int],
        settings: Mapping[str, object],
        *,
        learning: bool,
    ) -> None:
        self._scenario = scenario
        names = dict.fromkeys([*against, "exact"])
        self._settings = settings_per_policy(scenario, list(names), settings)
        self.seeds = seeds
        self._learning = learning
        self.gaps: dict[tuple[str, int], Float[ndarray, " rounds"]] = {}
        """Gaps of the rounds of each policy and seed at the scenario's budget."""

    def runs(self, name: str, scale: float = 1.0, *, given: Policy | None = None) -> list[Run]:
        """Return the runs of a policy, one per seed, with its budget scaled."""
        runs = []
        for seed in self.seeds:
            kind = name if given is None else "exact"  # a given policy takes its place
            changes = {**self._settings[kind], "scheduler.kind": kind, "seed": seed}
            scenario = self._scenario.with_overrides(changes)
            if scale != 1.0:
                table = scenario.scheduler
                key = "delay_budget_s"
                key += "_per_bit" if table.delay_budget_s is None else ""
                scaled = {f"scheduler.{key}": getattr(table, key) * scale}
                scenario = scenario.with_overrides(scaled)
            inner = scenario.policy() if given is None else deepcopy(given)
            judge = _Judge(inner, scenario.scheduler.objective) if scale == 1.0 else None
            result = run(scenario, policy=judge or inner, learning=self._learning, progress=False)
            result.scenario["scheduler"]["kind"] = name
            if judge is not None:
                self.gaps[name, seed] = np.array(judge.gaps)
            runs.append(result)
        return runs


@final
class _Judge(Policy):
    """Policy that decides as another one does, and notes the gap of each decision."""

    def __init__(self, policy: Policy, objective: Objective) -> None:
        self._policy = policy
        self._objective = objective
        self.gaps: list[float] = []

    @override
    def schedule(self, state: RoundState) -> Allocation:
        allocation = self._policy.schedule(state)
        best = optimum(state, self._objective).objective
        self.gaps.append(best - predicted_objective(allocation, state, self._objective))
        return allocation

    @override
    def observe(self, record: Any) -> None:
        self._policy.observe(record)


@final
@dataclass(frozen=True)
class _CostCurve:
    """Values of a built-in policy over its cost, world by world, at several budgets."""

    name: str
    runs: list[list[Run]]
    """Runs by budget, then by world."""
    cost: Callable[[Run], float]

    @classmethod
    def of(
        cls,
        trial: _Trial,
        name: str,
        runs: list[Run],
        *,
        costs: Float[ndarray, " policies*worlds"],
        cost: Callable[[Run], float],
    ) -> "_CostCurve":
        """Return the curve of a policy whose budgets span some costs, if any budget reaches them.

        ``runs`` are those at the scenario's budget.
        """
        found = {0: runs}

        def reached(steps: int) -> Float[ndarray, " worlds"]:
            if steps not in found:
                found[steps] = trial.runs(name, STEP**steps)
            return np.array([cost(one) for one in found[steps]])

        for direction in (-1, 1):
            before = reached(0)
            for place in range(1, _MAXIMUM_STEPS + 1):
                now = reached(direction * place)
                spans = now.min() >= costs.max() if direction > 0 else now.max() <= costs.min()
                if (place >= _INITIAL_STEPS and spans) or (now == before).all():
                    break
                before = now
        return cls(name, [found[steps] for steps in sorted(found)], cost)

    def values(self, runs: list[Run], metric: str) -> Float[ndarray, " worlds"]:
        """Return the values of this policy at the costs of other runs, world by world."""
        costs = [self.cost(one) for one in runs]
        return np.array([self._at(world, cost, metric) for world, cost in enumerate(costs)])

    def rows(
        self, policy: str, runs: list[Run], metric: str, *, values: Float[ndarray, " worlds"]
    ) -> list[dict[str, Any]]:
        """Return the row of a metric: its ``values`` minus those of a policy's runs."""
        own = _numbers(runs, metric)
        if np.isnan(own).all():
            return []
        everything = [*runs, *(one for group in self.runs for one in group)]
        by_median = heavy_tail(runs)[1] is not None or long_rounds(everything)
        result = (median_interval if by_median else paired_interval)(values - own)
        return [
            {
                "policy": policy,
                "against": self.name,
                "metric": metric,
                "value": float(own.mean()),
                "difference": result.estimate,
                "low": result.low,
                "high": result.high,
                "pairs": result.seeds,
                "kind": result.kind,
            }
        ]

    def _at(self, world: int, cost: float, metric: str) -> float:
        """Return the value in a world at a cost; NaN beyond the costs of all budgets."""
        members = [group[world] for group in self.runs]
        costs = np.array([self.cost(one) for one in members])
        known = costs > 0
        order = np.argsort(costs[known], kind="stable")
        curve = np.log(costs[known][order]), _numbers(members, metric)[known][order]
        if cost <= 0 or not known.any():
            return np.nan
        return float(np.interp(np.log(cost), *curve, left=np.nan, right=np.nan))


def _world_rows(
    name: str,
    runs: list[Run],
    gaps: Mapping[tuple[str, int], Float[ndarray, " rounds"]],
    equal: str,
) -> list[dict[str, Any]]:
    rows = []
    for one in runs:
        seed = int(one.scenario["seed"])
        numbers = summary(one)
        rows.append(
            {
                "policy": name,
                "seed": seed,
                "cost": _COSTS[equal](one),
                **{metric: numbers[metric] for metric in _VALUES},
                "delay_per_budget": _COSTS["delay"](one) / numbers["delay_budget_s"],
                "gap_mean": float(gaps[name, seed].mean()),
                "gap_median": float(np.median(gaps[name, seed])),
            }
        )
    return rows


def _numbers(runs: list[Run], metric: str) -> Float[ndarray, " runs"]:
    return np.array([summary(one)[metric] for one in runs], float)
