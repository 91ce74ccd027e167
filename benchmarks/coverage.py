"""Coverage of the 95 % intervals over seeds that airtune prints, on statistics of its own runs.

`coverage_seeds.parquet` has one row per seed; `coverage_seeds.py` made it. Per statistic and number
of seeds R, 10,000 samples of R seeds are drawn from it with replacement, and the share of intervals
that contain the value of all seeds is the coverage. `--write` writes the minimum over the
statistics of each kind to `analysis/intervals/study.py`. That file decides where airtune prints a
kind, and the worlds of `coverage_network.py`, where Algorithm 1's queue is or becomes empty, are
judged by it. The script exits with 1 if that file has other numbers, if an interval that covers
less than 93 % is printed in any world, or if there are too few seeds.
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
from analysis.intervals.interval import (  # noqa: E402
    MINIMUM_COVERAGE,
    quantile_is_smooth,
    reached,
)
from benchmarks.coverage_network import WORLDS as NETWORK_WORLDS  # noqa: E402
from benchmarks.coverage_seeds import TABLE, WORLDS  # noqa: E402

REPLICATES: Final = 10_000
SEEDS: Final = (3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50)
MINIMUM_SEEDS: Final = 500
MINIMUM_SPREAD: Final = 1e-5
"""A statistic that varies less, in relation to its mean, has no interval that could be read."""
LONG_ROUNDS: Final = tuple(
    f"{world}_{length}/{policy}"
    for world, settings in NETWORK_WORLDS.items()
    for length in settings.lengths
    for policy in ("algorithm1", "exact")
)
"""Policies whose queue is, or becomes, so small that rounds take many budgets: medians only."""
HEAVY: Final = ("rayleigh/all_in", "rayleigh/algorithm1", *LONG_ROUNDS)
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
        if f"{world}/{policy}" in LONG_ROUNDS:
            pass
        elif "@" in statistic and smooth(table, world, policy, statistic):
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
        if {f"{world}/{policy}", f"{world}/{other}"} & set(LONG_ROUNDS):
            yield "median", name, difference
            continue
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
    own = [name for name in table if name.split("/")[0] in WORLDS]
    coverages = dict(_coverages(table[own], print_all=given.all))
    lowest_by_kind, lowest = _minimum(coverages)
    lowest_by_kind["simultaneous"] = {
        seeds: round(family_coverage(table, seeds, np.random.Generator(np.random.Philox(seeds))), 3)
        for seeds in SEEDS
    }
    lowest["simultaneous"] = f"{min(lowest_by_kind['simultaneous'].values()):.3f}"
    for kind, by_seeds in lowest_by_kind.items():
        print(f"{kind:9s}", " ".join(f"{seeds}: {by_seeds[seeds]:.3f}" for seeds in SEEDS))
        print(f"{'':9s} lowest at", lowest[kind])
    if given.write:
        _write(lowest_by_kind, len(table))
    same = given.write or lowest_by_kind == study.REACHED
    problems = [] if same else ["study.py has other numbers"]
    if len(table) < MINIMUM_SEEDS:
        problems.append(f"{len(table)} seeds are fewer than {MINIMUM_SEEDS}")
    coverages |= dict(_coverages(table.drop(columns=own), print_all=given.all))
    problems += _problems(coverages)
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


def _coverages(
    table: pd.DataFrame, *, print_all: bool
) -> Iterator[tuple[tuple[str, str], dict[int, float]]]:
    """Yield kind and name of each interval, and its coverage by number of seeds."""
    for place, (kind, name, values) in enumerate(kinds(table)):
        known = values[~np.isnan(values)]
        if np.ptp(known) <= MINIMUM_SPREAD * abs(known.mean()):
            continue
        if kind == "log" and not (known > 0).all():
            continue
        own = {}
        for seeds in SEEDS:
            random = np.random.Generator(np.random.Philox([place, seeds]))
            own[seeds] = round(coverage(known, kind, seeds, random), 3)
        if print_all:
            print(f"{kind:9s} {name:50s}", *(f"{share:.3f}" for share in own.values()))
        yield (kind, name), own


def _minimum(
    coverages: dict[tuple[str, str], dict[int, float]],
) -> tuple[dict[str, dict[int, float]], dict[str, str]]:
    """Return the minimum coverage by kind and number of seeds, and the statistic of the lowest."""
    minimum: dict[str, dict[int, float]] = {}
    lowest: dict[str, tuple[float, str]] = {}
    for (kind, name), own in coverages.items():
        before = minimum.setdefault(kind, own)
        minimum[kind] = {seeds: min(before[seeds], own[seeds]) for seeds in SEEDS}
        worst = min(own, key=lambda seeds: own[seeds])
        lowest[kind] = min(lowest.get(kind, (1.0, "")), (own[worst], f"{worst} seeds, {name}"))
    return minimum, {kind: f"{share:.3f}: {where}" for kind, (share, where) in lowest.items()}


def _problems(coverages: dict[tuple[str, str], dict[int, float]]) -> Iterator[str]:
    """Yield a line for each interval that is printed and covers too little."""
    for (kind, name), own in coverages.items():
        printed = [
            seeds
            for seeds in SEEDS
            if (limits.sign_test_place(seeds)[0] if kind == "median" else reached(kind, seeds))
        ]
        low = [f"{own[seeds]:.3f} at {seeds}" for seeds in printed if own[seeds] < MINIMUM_COVERAGE]
        if low:
            yield f"{kind} of {name} covers {', '.join(low)} seeds"


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
