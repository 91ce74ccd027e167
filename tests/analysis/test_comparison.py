"""Comparison of runs: their keys, and differences paired over seeds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.written_runs import SCENARIO, four_rounds

import analysis
from analysis.comparison import long_rounds
from analysis.groups import groups
from analysis.policies import policy_table


def scenario(policy: str, seed: int, **scheduler: Any) -> dict[str, Any]:
    return {"seed": seed, "scheduler": {**SCENARIO["scheduler"], "kind": policy, **scheduler}}


def made(folder: Path, policy: str, seed: int, energy_j: float, **scheduler: Any) -> Path:
    path = folder / f"{policy}-{seed}-{len(list(folder.iterdir()))}"
    return four_rounds(
        path, scenario(policy, seed, **scheduler), energy_j=[energy_j, 0.0, 0.0, 0.0]
    )


def test_keys_are_policy_seed_and_those_that_differ(tmp_path: Path) -> None:
    made(tmp_path, "exact", 1, energy_j=1.0, drift="paper")
    made(tmp_path, "greedy", 2, energy_j=1.0, drift="full")

    runs = analysis.load_many(tmp_path)

    assert runs.keys.to_dict("list") == {
        "policy": ["exact", "greedy"],
        "seed": [1, 2],
        "scheduler.drift": ["paper", "full"],
    }


def test_tables_of_many_runs_carry_their_keys(tmp_path: Path) -> None:
    made(tmp_path, "exact", 1, energy_j=1.0)
    made(tmp_path, "exact", 2, energy_j=7.0)

    result = analysis.load_many(tmp_path).table("rounds", ["round", "energy_j"], (1, 2))

    assert list(result.columns) == ["policy", "seed", "round", "energy_j"]
    assert result.energy_j.tolist() == [1.0, 0.0, 7.0, 0.0]
    assert result.seed.tolist() == [1, 1, 2, 2]


def test_differences_are_paired_over_seeds(tmp_path: Path) -> None:
    # Differences 1, 2, 3: mean 2, standard deviation 1, and t(2, 97.5 %) = 4.302653.
    for seed, (ours, theirs) in enumerate(
        [(11.0, 10.0), (102.0, 100.0), (1003.0, 1000.0)], start=1
    ):
        made(tmp_path, "exact", seed, energy_j=theirs)
        made(tmp_path, "greedy", seed, energy_j=ours)
    made(tmp_path, "greedy", 9, energy_j=5e6)  # no pair: must not count

    result = analysis.compare(analysis.load_many(tmp_path), by="policy", metrics=["energy_j"])

    row = result.iloc[0]
    half = 4.302653 / 3**0.5
    assert len(result) == 1
    assert (row.policy, row.metric, row.pairs) == ("greedy", "energy_j", 3)
    assert row.baseline == pytest.approx(370.0)
    assert row.value == pytest.approx(372.0)
    assert [row.difference, row.low, row.high] == pytest.approx(
        [2.0, 2.0 - half, 2.0 + half], rel=1e-6
    )


def test_95_percent_intervals_cover_95_percent(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(7))
    trials, inside = 4000, 0
    for _ in range(trials):
        result = analysis.intervals.mean_interval(rng.normal(3.0, 2.0, size=5))
        inside += result.low <= 3.0 <= result.high

    half_width = 3 * (0.95 * 0.05 / trials) ** 0.5
    assert half_width < 0.011  # a normal quantile in place of Student's would cover 88 %
    assert abs(inside / trials - 0.95) < half_width


def test_one_pair_has_no_interval(tmp_path: Path) -> None:
    made(tmp_path, "exact", 1, energy_j=1.0)
    made(tmp_path, "greedy", 1, energy_j=3.0)

    row = analysis.compare(analysis.load_many(tmp_path), metrics=["energy_j"]).iloc[0]

    assert row.difference == 2.0
    assert pd.isna(row.low)
    assert pd.isna(row.high)


def test_runs_are_compared_within_each_value_of_another_key(tmp_path: Path) -> None:
    for drift, gain in (("paper", 2.0), ("full", -3.0)):
        for seed in (1, 2, 3):
            made(tmp_path, "exact", seed, energy_j=10.0, drift=drift)
            made(tmp_path, "greedy", seed, energy_j=10.0 + gain + 0.01 * seed, drift=drift)
    runs = analysis.load_many(tmp_path)

    result = analysis.compare(runs, metrics=["energy_j"], within=["scheduler.drift"])
    table = policy_table(runs, within=["scheduler.drift"])

    assert sorted(zip(result["scheduler.drift"], result.verdict, strict=True)) == [
        ("full", "lower"),
        ("paper", "higher"),
    ]
    assert sorted(result.difference) == pytest.approx([-2.98, 2.02])
    assert len(table) == 4
    with pytest.raises(analysis.TraceError, match=r"differ in scheduler\.drift|both 'exact'"):
        analysis.compare(runs)


def test_the_rows_of_a_comparison_are_one_family(tmp_path: Path) -> None:
    for seed, energy_j in enumerate([11.0, 12.2, 13.1], start=1):
        made(tmp_path, "exact", seed, energy_j=10.0)
        made(tmp_path, "greedy", seed, energy_j=energy_j)
    runs = analysis.load_many(tmp_path)

    alone = analysis.compare(runs, metrics=["energy_j"]).iloc[0]
    whole = analysis.compare(runs).set_index("metric")

    # The other metrics are equal in all seeds: they count, and are undecided.
    assert whole.loc["energy_j", "p"] == pytest.approx(len(whole) * alone.p, rel=1e-6)
    assert whole.loc["energy_j", "verdict"] == "undecided"
    assert whole.loc["energy_j", "simultaneous_low"] < alone.low


def test_sums_of_delays_without_a_variance_have_medians(tmp_path: Path) -> None:
    heavy = {
        "channel": {"fading": {"kind": "rayleigh"}, "coherence": "round"},
        "scheduler": {"kind": "all_in", "delay_budget_s_per_bit": 0.002},
    }
    light = heavy | {"scheduler": {"kind": "greedy", "delay_budget_s_per_bit": 0.002}}
    for seed in range(7):
        for name, tables in (("light", light), ("heavy", heavy)):
            energy_j = [1.0 if name == "light" else 2.0 + seed**9, 0.0, 0.0, 0.0]
            four_rounds(tmp_path / f"{name}-{seed}", tables | {"seed": seed}, energy_j=energy_j)

    result = analysis.compare(analysis.load_many(tmp_path), baseline="greedy").set_index("metric")

    assert "delay_mean_s" not in result.index
    row = result.loc["energy_j"]
    assert (row.kind, row.difference) == ("median", 1.0 + 3.0**9)
    # The sign test of seven seeds: from the smallest to the largest difference, 1 - 2 / 128.
    assert (row.low, row.high, row.coverage) == (1.0, 1.0 + 6.0**9, 1 - 2 / 128)
    assert result.loc["jain_fairness"].kind == "paired"


@pytest.mark.parametrize(
    ("drift", "coherence", "kinds"),
    [
        ("paper", "round", {"median"}),
        ("full", "round", {"paired", "median"}),
        ("paper", 0.02, {"paired", "median"}),
    ],
)
def test_rounds_longer_than_the_queue_leave_medians_alone(
    tmp_path: Path, drift: str, coherence: str | float, kinds: set[str]
) -> None:
    channel = {"fading": {"kind": "nakagami", "m": 3.0}, "coherence": coherence}
    for seed in range(7):
        for policy in ("greedy", "exact"):
            scheduler = {"kind": policy, "delay_budget_s_per_bit": 0.002, "drift": drift}
            tables = {"seed": seed, "channel": channel, "scheduler": scheduler}
            four_rounds(tmp_path / f"{policy}-{seed}", tables)
    runs = analysis.load_many(tmp_path)

    assert set(analysis.compare(runs, baseline="greedy").kind) == kinds
    # Round 4 sends nothing; the rounds before it take longer than the queue held.
    later = analysis.Runs(analysis.load(run.path, rounds=(4, 4)) for run in runs)
    assert set(analysis.compare(later, baseline="greedy").kind) == {"paired", "median"}


@pytest.mark.parametrize(("outlasted", "long"), [(3, False), (4, True), (7, True)])
def test_half_of_the_runs_decide_whether_rounds_are_long(
    tmp_path: Path, outlasted: int, long: bool
) -> None:
    for seed in range(7):
        tables = {"seed": seed, "channel": {"coherence": "round", "fading": {"kind": "rayleigh"}}}
        # The longest round takes 3 s. A queue of exactly as much bounds it.
        before_s = 2.999 if seed < outlasted else 3.0
        tables["scheduler"] = {"kind": "algorithm1", "delay_budget_s_per_bit": 0.002}
        four_rounds(tmp_path / str(seed), tables, virtual_queue_before_s=[before_s] * 4)

    assert long_rounds(analysis.load_many(tmp_path)) is long


def test_a_metric_without_pairs_is_left_out(tmp_path: Path) -> None:
    made(tmp_path, "exact", 1, energy_j=0.0)
    made(tmp_path, "greedy", 1, energy_j=0.0)
    for part in tmp_path.glob("*/evaluations/*.parquet"):
        part.unlink()

    result = analysis.compare(analysis.load_many(tmp_path))

    assert "accuracy_last" not in result.metric.tolist()
    assert "energy_j" in result.metric.tolist()


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([("exact", 1, {})], "nothing to compare: every run has policy = 'exact'"),
        ([("exact", 1, {}), ("greedy", 2, {})], "'greedy' has no seed in common with the baseline"),
        ([("exact", 1, {}), ("exact", 1, {}), ("greedy", 1, {})], "are both 'exact' with seed 1"),
        (
            [("exact", 1, {"drift": "full"}), ("exact", 2, {"drift": "paper"}), ("greedy", 1, {})],
            "differ in scheduler.drift besides the seed; compare by that, or leave one out",
        ),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(
    tmp_path: Path, runs: list[tuple[str, int, dict[str, Any]]], message: str
) -> None:
    for policy, seed, options in runs:
        made(tmp_path, policy, seed, energy_j=1.0, **options)

    with pytest.raises(analysis.TraceError, match=message.replace(".", r"\.")):
        analysis.compare(analysis.load_many(tmp_path))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ((1, {}), "are both 'exact' with seed 1; leave one out"),
        ((2, {"drift": "paper"}), "are both 'exact' and differ in scheduler.drift besides"),
    ],
)
def test_runs_of_one_policy_alone_are_no_seeds_of_one_another(
    tmp_path: Path, second: tuple[int, dict[str, Any]], message: str
) -> None:
    made(tmp_path, "exact", 1, energy_j=1.0, drift="full")
    seed, options = second
    made(tmp_path, "exact", seed, energy_j=1.0, **{"drift": "full", **options})

    with pytest.raises(analysis.TraceError, match=message.replace(".", r"\.")):
        policy_table(analysis.load_many(tmp_path))


def test_a_baseline_that_is_not_there_is_named(tmp_path: Path) -> None:
    made(tmp_path, "exact", 1, energy_j=1.0)
    made(tmp_path, "greedy", 1, energy_j=1.0)

    with pytest.raises(
        analysis.TraceError, match=r"no run has policy = 'aaba'; there is 'exact', 'greedy'"
    ):
        analysis.compare(analysis.load_many(tmp_path), baseline="aaba")


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(analysis.TraceError, match="is not a run directory, and holds none"):
        analysis.load_many(tmp_path)


def test_a_key_unknown_to_an_older_version_is_no_difference(
    tmp_path: Path,
) -> None:
    older: dict[str, str] = {}
    for seed, options in ((1, older), (2, {"drift": "paper"})):
        for policy in ("exact", "greedy"):
            folder = made(tmp_path, policy, seed, energy_j=1.0, **options)
            facts = json.loads((folder / "provenance.json").read_text())
            (folder / "provenance.json").write_text(json.dumps(facts | {"setup_sha256": policy}))

    runs = analysis.load_many(tmp_path)

    assert set(analysis.compare(runs).pairs) == {2}
    assert list(runs.keys) == ["policy", "seed"]
    assert [len(group.runs) for group in groups(runs)] == [2, 2]
