"""Policies in the same worlds: one network-only run for each policy and seed, at equal budgets or
equal delays.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow.parquet as pq

from coupling.scenario.errors import ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.scenario.tables import SchedulerTable
from coupling.scenario.tables.scheduler import options_of
from coupling.simulation.run import run

TOLERANCE: Final = 0.01
"""Realised mean delays agree when they differ by no more than this share."""
_TRIALS: Final = 12
_NARROWEST, _WIDEST = 1e-3, 1e3


@final
@dataclass
class Comparison:
    """Runs of several policies with the same seeds.

    ``load`` returns the scenario with a policy and some keys set otherwise. Runs go to ``out``, a
    folder each; ``told`` hears of each.
    """

    load: Callable[[str, dict[str, object]], Scenario]
    seeds: Sequence[int]
    out: Path
    learning: bool = False
    told: Callable[[str], None] = lambda line: None
    notes: list[str] = field(default_factory=list)
    """What could not be done, a line each."""

    def at_equal_budget(self, policies: Sequence[str]) -> list[Path]:
        """Run all policies with the scenario's budget."""
        return [folder for policy in policies for folder in self._runs(policy, 1.0)]

    def at_equal_delay(self, policies: Sequence[str]) -> list[Path]:
        """Run all policies, each with its budget scaled until its mean delay is that of the first
        policy.

        The mean is over all rounds and seeds. A policy whose delay the budget does not move, or not
        so far, keeps the nearest, and a note says so.
        """
        first = self._runs(policies[0], 1.0)
        target_s = _mean_delay_s(first)
        return first + [
            folder for policy in policies[1:] for folder in self._matched(policy, target_s)
        ]

    def _matched(self, policy: str, target_s: float) -> list[Path]:
        """Return the runs whose mean delay is nearest to the target: bisection over the logarithm
        of the scale.
        """
        low, high = np.log(_NARROWEST), np.log(_WIDEST)
        scale, best, best_miss, before_s = 0.0, list[Path](), np.inf, np.nan
        for _ in range(_TRIALS):
            folders = self._runs(policy, float(np.exp(scale)))
            delay_s = _mean_delay_s(folders)
            miss = abs(delay_s / target_s - 1)
            if miss < best_miss:
                best, best_miss = folders, miss
            if miss <= TOLERANCE:
                return best
            if delay_s == before_s:
                break
            before_s = delay_s
            low, high = (scale, high) if delay_s < target_s else (low, scale)
            # Delay grows about as the budget does: that guess first, halving where it leaves the
            # bracket.
            guess = scale + float(np.log(target_s / delay_s)) if delay_s > 0 else np.nan
            scale = guess if low < guess < high else (low + high) / 2
        self.notes.append(
            f"{policy}: no budget brings its mean delay to {target_s:.4g} s; the nearest is {best_miss:.1%} off"
        )
        return best

    def _runs(self, policy: str, scale: float) -> list[Path]:
        folders = []
        for seed in self.seeds:
            scenario = self.load(policy, {"seed": seed} | self._budget(policy, scale))
            folder = self.out / f"{policy.replace(':', '.')}-{seed}-x{scale:.6g}"
            self.told(f"{policy}, seed {seed}, budget x {scale:.4g}")
            if not folder.exists():
                run(scenario, folder, learning=self.learning)
            folders.append(folder)
        return folders

    def _budget(self, policy: str, scale: float) -> dict[str, object]:
        if scale == 1.0:
            return {}
        scheduler = self.load(policy, {}).scheduler
        name = (
            "delay_budget_s" if scheduler.delay_budget_s is not None else "delay_budget_s_per_bit"
        )
        return {f"scheduler.{name}": getattr(scheduler, name) * scale}


def settings_for(
    policies: Sequence[str], given: Mapping[str, object], written: Collection[str]
) -> dict[str, dict[str, object]]:
    """Return the settings with which each policy runs: those given, but for what only others of the
    policies have.

    ``written`` are the keys of the scenario's ``[scheduler]``.

    Raises:
        ScenarioError: there is no such policy.
    """
    options = {policy: options_of(policy) for policy in policies}
    special = set().union(*options.values()) - set(SchedulerTable.model_fields)
    found = {}
    for policy, own in options.items():
        foreign = {f"scheduler.{key}" for key in special - own}
        kept = {key: value for key, value in given.items() if key not in foreign}
        found[policy] = kept | {
            key: None for key in foreign if key.removeprefix("scheduler.") in written
        }
    return found


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``0:20`` (20 not included), ``3`` or ``1,5,7``.

    Raises:
        ScenarioError: none of these, or no seed.
    """
    try:
        if ":" in text:
            first, end = text.split(":")
            seeds = list(range(int(first), int(end)))
        else:
            seeds = [int(entry) for entry in text.split(",")]
    except ValueError:
        raise ScenarioError(
            f"--seeds {text}: is not FIRST:END, one seed, or seeds with commas"
        ) from None
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ScenarioError(f"--seeds {text}: needs at least one seed, each once and not negative")
    return seeds


def _mean_delay_s(folders: Sequence[Path]) -> float:
    parts = [
        part for folder in folders for part in sorted((folder / "rounds").glob("part-*.parquet"))
    ]
    delays = [pq.read_table(part, columns=["delay_s"]).column(0).to_numpy() for part in parts]
    return float(np.concatenate(delays).mean())
