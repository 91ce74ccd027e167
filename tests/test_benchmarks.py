"""Bound checks of the benchmarks, and their timing of two checkouts side by side."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import coupling
from analysis import compare, load, load_many, summary
from analysis.policies import policy_table
from benchmarks import bench_formats, bench_quickstart, common
from benchmarks.common import Report, TimedCheckout, paired_ratios
from benchmarks.coverage_network import NetworkWorld, run

ROOT = Path(__file__).resolve().parent.parent


def test_a_missed_bound_is_printed_and_sets_the_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report("radio")
    report.maximum("seconds", 1.0, 1.0)
    report.minimum("speed-up", 2.0, 2.0)
    assert report.status == 0

    report.maximum("seconds", 1.001, 1.0)

    assert report.status == 1
    assert capsys.readouterr().out.splitlines() == [
        "radio: seconds: 1 (maximum 1)",
        "radio: speed-up: 2 (minimum 2)",
        "radio: seconds: 1 (maximum 1) MISSED",
    ]


def test_a_minimum_that_is_not_reached_or_not_measured_is_missed() -> None:
    for value in (1.9, float("nan")):
        report = Report("radio")
        report.minimum("speed-up", value, 2.0)
        assert report.status == 1
    report = Report("radio")
    report.missing("no data")
    assert report.status == 1


def test_neighbouring_repetitions_take_turns_and_the_first_pair_warms_up() -> None:
    order = []

    def side(name: str, seconds: float, number: int) -> float:
        order.append(f"{name}{number}")
        return seconds

    ratios = paired_ratios(lambda n: side("a", 3.0, n), lambda n: side("b", 2.0, n), pairs=2)

    assert ratios == [1.5, 1.5]
    assert order == ["b0", "a0", "a1", "b1", "b2", "a2"]


def test_a_side_runs_the_package_of_its_own_checkout() -> None:
    side = TimedCheckout(ROOT, "network")
    try:
        assert side.seconds(0) > 0
    finally:
        side.close()


def test_a_checkout_without_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"imported instead|the workload failed"):
        TimedCheckout(tmp_path, "network")


def test_a_checkout_that_is_slower_than_the_bound_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class FixedTimes:
        def __init__(self, root: Path, workload: str) -> None:
            self.root = root

        def seconds(self, _: int) -> float:
            return 1.06 if self.root == ROOT else 1.0

        def close(self) -> None:
            pass

    monkeypatch.setattr(common, "TimedCheckout", FixedTimes)
    report = Report("radio")

    common.against(report, Path("/before"), ["network"], pairs=3)

    assert report.status == 1
    assert "(maximum 1.05) MISSED" in capsys.readouterr().out


@pytest.mark.parametrize("script", sorted(ROOT.glob("benchmarks/bench_*.py")), ids=lambda p: p.stem)
def test_every_benchmark_can_be_imported(script: Path) -> None:
    module = importlib.import_module(f"benchmarks.{script.stem}")

    assert callable(module.main)


def test_batched_runs_of_the_coverage_study_are_those_of_airtune(tmp_path: Path) -> None:
    world = NetworkWorld((20,))
    for policy in ("algorithm1", "exact", "greedy"):
        own = run(world, policy, range(3, 4)).statistics(0, 20)
        coupling.run(world.scenario(3, policy), tmp_path / policy, learning=False)
        expected = summary(load(tmp_path / policy))

        for name in ("scheduled_mean", "delay_mean_s", "energy_j", "jain_fairness"):
            assert own[name] == pytest.approx(expected[name], rel=1e-6), (policy, name)


@pytest.mark.parametrize(("queue", "kind"), [(0.0, "median"), (5.0, "mean")])
def test_a_run_from_an_empty_queue_has_medians(tmp_path: Path, queue: float, kind: str) -> None:
    world = NetworkWorld((30,), queue_initial_budgets=queue)
    for policy in ("algorithm1", "greedy"):
        for seed in (1, 2, 3):
            coupling.run(
                world.scenario(seed, policy), tmp_path / f"{policy}-{seed}", learning=False
            )
    runs = load_many(tmp_path)

    table = policy_table(runs).set_index("policy")
    difference = compare(runs, metrics=["scheduled_mean"]).iloc[0]

    assert table.scheduled_kind["algorithm1"] == kind
    assert np.isnan(table.scheduled_low["algorithm1"]) == (kind == "median")
    assert table.scheduled_kind["greedy"] == "mean"
    assert difference.kind == ("median" if kind == "median" else "paired")


@pytest.mark.parametrize(
    ("differences", "status"),
    [([0.004, -0.004] * 5, 0), ([0.004] * 9 + [0.005], 1), ([0.04, -0.04] * 5, 1)],
    ids=["equal", "better", "wide"],
)
def test_equal_accuracies_have_a_narrow_interval_around_0(
    differences: list[float], status: int
) -> None:
    report = Report("formats")
    wide = np.full(10, 0.8)

    bench_formats.judge(report, np.stack([wide, wide + differences], axis=1))

    assert report.status == status


def test_a_quickstart_without_a_row_or_a_column_of_the_other_fails() -> None:
    whole = {"rounds": (60, {"round", "delay_s"}), "devices": (600, {"round"})}
    bench_quickstart.assert_contains(whole | {"panel": (1, {"a"})}, whole)

    with pytest.raises(AssertionError, match="devices has as many rows"):
        bench_quickstart.assert_contains(whole | {"devices": (599, {"round"})}, whole)
    with pytest.raises(AssertionError, match="delay_s"):
        bench_quickstart.assert_contains(whole | {"rounds": (60, {"round"})}, whole)
