"""Coverage of the 95 % intervals over seeds that airtune prints, on statistics of its own runs.

`coverage_seeds.parquet` has one row per seed; `coverage_seeds.py` made it. Per statistic and number
of seeds R, 10,000 samples of R seeds are drawn from it with replacement, and the share of intervals
that contain the value of all seeds is the coverage. `--write` writes the minimum over the
statistics of each kind to `analysis/intervals/study.py`. The script exits with 1 if that file has
other numbers, if a kind that covers less than 93 % is printed, or if there are too few seeds.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy import ndarray

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from analysis.intervals import limits, study  # noqa: E402
from analysis.intervals.by_metric import DELAY_SUMS, KINDS, TIED  # noqa: E402
from analysis.intervals.family import Differences, judge_family  # noqa: E402
from analysis.intervals.interval import MINIMUM_COVERAGE, quantile_is_smooth  # noqa: E402
from benchmarks.coverage_seeds import TABLE  # noqa: E402

REPLICATES: Final = 10_000
SEEDS: Final = (3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50)
MINIMUM_SEEDS: Final = 500
MINIMUM_SPREAD: Final = 1e-5
"""A statistic that varies less, in relation to its mean, has no interval that could be read."""
HEAVY: Final = ("rayleigh/all_in", "rayleigh/algorithm1")
"""Policies whose delay has no variance by its law: sums of delays have medians only."""
FAMILY: Final = (
    ("rayleigh", "scheduled_mean", ("algorithm1", "greedy", "aaba")),
    ("rayleigh", "jain_fairness", ("algorithm1", "greedy", "aaba")),
    ("rayleigh", "energy_j", ("greedy", "aaba")),
    ("rician", "scheduled_mean", ("algorithm1", "aaba")),
    ("calibrated", "scheduled_mean", ("algorithm1", "aaba")),
    ("calibrated", "energy_j", ("algorithm1", "aaba")),
    ("reviews", "accuracy", ("exact", "aaba")),
    ("reviews", "train_loss", ("aaba", "exact")),
)
"""Claims of a family: a world, a statistic, and an order of policies, the largest first."""
Limits = Callable[[ndarray], tuple[ndarray, ndarray, ndarray]]
LIMITS: Final[dict[str, Limits]] = {"log": limits.logarithmic, "median": limits.sign_test}


def kinds(table: pd.DataFrame) -> Iterator[tuple[str, str, ndarray]]:
    """Return kind, name and values of each interval of the study, as airtune chooses the kind."""
    for name in table:
        world, policy, statistic = name.split("/")
        values = table[name].to_numpy(float)
        heavy = f"{world}/{policy}" in HEAVY and statistic in DELAY_SUMS
        if "@" in statistic and smooth(table, world, policy, statistic):
            yield "quantile", name, values
        elif statistic in KINDS and not heavy:
            yield KINDS[statistic], name, values
        yield "median", name, values
    for first, second in combinations(table, 2):
        (world, policy, statistic), (other_world, other, other_statistic) = (
            name.split("/") for name in (first, second)
        )
        if (world, statistic) != (other_world, other_statistic):
            continue
        difference = table[first].to_numpy(float) - table[second].to_numpy(float)
        name = f"{world}/{policy} - {other}/{statistic}"
        heavy = {f"{world}/{policy}", f"{world}/{other}"} & set(HEAVY)
        jumps = "@" in statistic and not all(
            smooth(table, world, each, statistic) for each in (policy, other)
        )
        if not (jumps or statistic in TIED or (heavy and statistic in DELAY_SUMS)):
            yield "paired", name, difference
        yield "median", name, difference


def smooth(table: pd.DataFrame, world: str, policy: str, statistic: str) -> bool:
    """Return whether airtune gives Student's interval of a quantile such as ``p90@200``."""
    percent, rounds = statistic.removeprefix("p").split("@")
    column = f"{world}/{policy}/idle_share"
    idle = float(table[column].mean()) if column in table else 0.0
    return quantile_is_smooth(int(percent) / 100, rounds=int(rounds), idle_share=idle)


def coverage(values: ndarray, kind: str, seeds: int, random: np.random.Generator) -> float:
    """Return the share of samples whose interval contains the estimate from all values."""
    compute = LIMITS.get(kind, limits.student)
    truth = compute(values)[0]
    _, low, high = compute(values[random.integers(len(values), size=(seeds, REPLICATES))])
    # The estimate of all values may differ from a limit in the last digit if all are equal.
    slack = 1e-9 * abs(truth)
    return float(((low - slack <= truth) & (truth <= high + slack)).mean())


def family_coverage(table: pd.DataFrame, seeds: int, random: np.random.Generator) -> float:
    """Return the share of samples in which all simultaneous intervals of a family are right."""
    claims = {
        f"{world}/{statistic}/{order[0]}": np.array(
            [
                table[f"{world}/{more}/{statistic}"] - table[f"{world}/{less}/{statistic}"]
                for more, less in pairwise(order)
            ],
            float,
        )
        for world, statistic, order in FAMILY
    }
    truth = {name: float(rows.mean(axis=1).min()) for name, rows in claims.items()}
    right = 0
    for _ in range(REPLICATES):
        chosen = random.integers(len(table), size=seeds)
        judged = judge_family(
            {name: [Differences(row[chosen]) for row in rows] for name, rows in claims.items()}
        )
        right += all(judged[name].low <= truth[name] <= judged[name].high for name in claims)
    return right / REPLICATES


def main() -> int:
    """Print the coverages, and return 1 if a printed interval covers too little."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write analysis/intervals/study.py")
    parser.add_argument("--all", action="store_true", help="print every statistic")
    given = parser.parse_args()
    table = pd.read_parquet(TABLE)
    reached, lowest = _study(table, print_all=given.all)
    for kind, by_seeds in reached.items():
        print(f"{kind:9s}", " ".join(f"{seeds}: {by_seeds[seeds]:.3f}" for seeds in SEEDS))
        print(f"{'':9s} lowest at", lowest[kind])
    if given.write:
        _write(reached, len(table))
    problems = [] if given.write or reached == study.REACHED else ["study.py has other numbers"]
    if len(table) < MINIMUM_SEEDS:
        problems.append(f"{len(table)} seeds are fewer than {MINIMUM_SEEDS}")
    problems += [
        f"the median covers {share:.3f} at {seeds} seeds"
        for seeds, share in reached["median"].items()
        if seeds >= 6 and share < MINIMUM_COVERAGE
    ]
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


def _study(
    table: pd.DataFrame, *, print_all: bool
) -> tuple[dict[str, dict[int, float]], dict[str, str]]:
    """Return the minimum coverage by kind and number of seeds, and the statistic of the lowest."""
    reached: dict[str, dict[int, float]] = {}
    lowest: dict[str, tuple[float, str]] = {}
    for place, (kind, name, values) in enumerate(kinds(table)):
        if np.ptp(values) <= MINIMUM_SPREAD * abs(values.mean()):
            continue
        own = {}
        for seeds in SEEDS:
            random = np.random.Generator(np.random.Philox([place, seeds]))
            own[seeds] = round(coverage(values, kind, seeds, random), 3)
        worst = min(own, key=lambda seeds: own[seeds])
        before = reached.setdefault(kind, own)
        reached[kind] = {seeds: min(before[seeds], own[seeds]) for seeds in SEEDS}
        lowest[kind] = min(lowest.get(kind, (1.0, "")), (own[worst], f"{worst} seeds, {name}"))
        if print_all:
            print(f"{kind:9s} {name:50s}", *(f"{share:.3f}" for share in own.values()))
    reached["simultaneous"] = {
        seeds: round(family_coverage(table, seeds, np.random.Generator(np.random.Philox(seeds))), 3)
        for seeds in SEEDS
    }
    lowest["simultaneous"] = (min(reached["simultaneous"].values()), "")
    return reached, {kind: f"{share:.3f}: {where}" for kind, (share, where) in lowest.items()}


def _write(reached: dict[str, dict[int, float]], seeds: int) -> None:
    lines = [
        '"""Coverage that the 95 % intervals reached in the study of ``benchmarks/coverage.py``.',
        "",
        f"Written by ``python benchmarks/coverage.py --write`` from {seeds} seeds. Each number is",
        'the minimum over the statistics of the study, in 10,000 samples each.\n"""',
        "",
        "from typing import Final",
        "",
        "REACHED: Final[dict[str, dict[int, float]]] = {",
    ]
    for kind, by_seeds in reached.items():
        lines += [f'    "{kind}": {{']
        lines += [f"        {count}: {share}," for count, share in by_seeds.items()]
        lines += ["    },"]
    lines += ["}", '"""Reached coverage by kind of interval and number of seeds."""', ""]
    Path(study.__file__).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
