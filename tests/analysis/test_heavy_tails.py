"""Rule for means that do not exist, against the gains and the delays of the simulator."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from support.written_runs import four_rounds

import analysis
from analysis.heavy_tails import gain_order, mean_exists, missing_mean, tail_index, variance_exists
from analysis.policies import hill, policy_table
from analysis.runs import Runs
from coupling import Scenario, run
from netsim.channel.fading import ConstantFading, Fading, Independent, Nakagami, Rayleigh, Rician
from netsim.streams import Streams

ROOT = Path(__file__).parents[2]
BASE = ROOT / "scenarios" / "paper" / "base.toml"
PHASED = ROOT / "scenarios" / "phased.toml"
INF = math.inf

ALL_IN = {"scheduler.kind": "all_in"}
RICIAN = {"channel.fading": {"kind": "rician", "k_factor_db": 10.0}}
CORRELATION = {"carrier_hz": 2e9, "waves": 8}

SHADOWED = {
    "kind": "log_distance",
    "exponent": 3.5,
    "reference_m": 10.0,
    "reference_loss_db": 0.0,
    "shadowing": {"sigma_db": 8.0, "correlation_m": 10.0},
}


DOWNLOADS = {
    "protocol": {"kind": "fedavg_lora", "payload_bit": 5_000_000.0},
    "cell.downlink_bandwidth_hz": 1e7,
    "cell.server_tx_power_w": 1.0,
    "devices.battery": {"capacity_j": 5000.0, "recharge_w": 5.0},
}
"""Federated averaging over a downlink, whose devices spend nothing on receiving."""


def nakagami(m: float, **more: Any) -> dict[str, Any]:
    return {"channel.fading": {"kind": "nakagami", "m": m, **more}}


def resolved(path: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    return Scenario.load(path, overrides).tables()


@pytest.mark.parametrize(
    "law",
    [
        Rayleigh(),
        Rician(k_factor_db=-3.0),
        Rician(k_factor_db=5.0),
        Nakagami(m=0.5),
        Nakagami(m=0.8),
        Nakagami(m=1.0),
        Nakagami(m=1.7),
        Nakagami(m=2.2),
    ],
)
def test_the_order_at_zero_is_that_of_the_law_s_own_gains(law: Fading) -> None:
    draws = Independent(np.arange(2_000_000), np.array([0]), Streams(3))
    gain = law.power_gain(draws)[:, 0]
    # The distribution function at x and at x / 4, where it is small: g**a falls by 4**a.
    x = np.quantile(gain, 5e-3)
    many, few = (gain < x).sum(), (gain < x / 4).sum()
    estimate = math.log(many / few) / math.log(4)
    half_width = 4 * (1 / few - 1 / many) ** 0.5 / math.log(4)

    table = {"kind": law.kind} | ({"m": law.m} if isinstance(law, Nakagami) else {})
    assert half_width < 0.2, "too few draws for the test to say anything"
    assert gain_order({"channel": {"fading": table}}) == pytest.approx(estimate, abs=half_width)


def test_a_gain_without_a_density_at_zero_has_no_order() -> None:
    assert ConstantFading().power_gain(Independent(slice(0, 2), np.array([0]), Streams(1))).min()
    assert gain_order({"channel": {"fading": {"kind": "none"}}}) == INF
    assert gain_order({"channel": {"gains": {"path": "recorded.parquet"}}}) == INF
    assert gain_order({"channel": {"fading": {"kind": "own.module:Law", "m": 0.5}}}) == INF


@pytest.mark.parametrize(
    ("overrides", "index", "mean", "variance"),
    [
        (ALL_IN, 1, False, False),
        (ALL_IN | RICIAN, 1, False, False),
        (ALL_IN | nakagami(0.5), 0.5, False, False),
        (ALL_IN | nakagami(1.0), 1, False, False),
        (ALL_IN | nakagami(1.5), 1.5, True, False),
        (ALL_IN | nakagami(2.0), 2, True, False),
        (ALL_IN | nakagami(2.5), 2.5, True, True),
        (ALL_IN | {"channel.fading": {"kind": "none"}}, INF, True, True),
        (
            ALL_IN | {"channel.path_loss": SHADOWED},
            1,
            False,
            False,
        ),
        (
            ALL_IN | {"channel.fading": {"kind": "rayleigh", "correlation": CORRELATION}},
            1,
            False,
            False,
        ),
        (ALL_IN | {"devices.battery": {"capacity_j": 500.0}}, INF, True, True),
        (
            ALL_IN
            | {"devices.availability": {"kind": "markov", "mean_on_s": 9.0, "mean_off_s": 1.0}},
            INF,
            True,
            True,
        ),
        ({"scheduler.kind": "random", "scheduler.count": 5}, 1, False, False),
        ({"scheduler.kind": "random", "scheduler.probability": 0.3}, 1, False, False),
        ({"scheduler.kind": "round_robin", "scheduler.count": 5}, 1, False, False),
        ({"scheduler.kind": "proportional_fair", "scheduler.count": 5}, 1, False, False),
        ({"scheduler.kind": "latency_first", "scheduler.count": 20}, 1, False, False),
        ({"scheduler.kind": "latency_first", "scheduler.count": 19}, 2, True, False),
        ({"scheduler.kind": "latency_first", "scheduler.count": 5}, 16, True, True),
        # The devices that are there may be no more than are scheduled.
        (
            {"scheduler.kind": "latency_first", "scheduler.count": 5}
            | {"devices.availability": {"kind": "trace", "path": "on.csv"}},
            1,
            False,
            False,
        ),
        (ALL_IN | DOWNLOADS, 1, False, False),
        (ALL_IN | DOWNLOADS | {"devices.energy": {"receive_w": 0.5}}, INF, True, True),
        ({"scheduler.kind": "oracle_static"}, INF, True, True),
        ({"scheduler.kind": "greedy"}, INF, True, True),
        ({"scheduler.kind": "aaba"}, INF, True, True),
        (
            {"scheduler.kind": "greedy", "scheduler.csi": {"kind": "delayed", "blocks": 1}},
            1,
            False,
            False,
        ),
        (
            {"scheduler.kind": "greedy", "scheduler.csi": {"kind": "noisy", "std_db": 3.0}},
            INF,
            True,
            True,
        ),
        # An empty queue takes every device; the queue then bounds the mean over the rounds.
        ({"scheduler.kind": "algorithm1"}, 1, True, False),
        ({"scheduler.kind": "exact", "scheduler.drift": "full"}, INF, True, True),
    ],
)
def test_means_and_variances_follow_from_the_resolved_scenario(
    overrides: dict[str, Any], index: float, mean: bool, variance: bool
) -> None:
    scenario = resolved(BASE, overrides)

    assert tail_index(scenario) == index
    assert (mean_exists(scenario), variance_exists(scenario)) == (mean, variance)


FIXED = {"channel.fading": {"kind": "rayleigh", "correlation": CORRELATION}}
MOVING = {
    "channel.fading": {
        "kind": "rayleigh",
        "correlation": {**CORRELATION, "scatterer_speed_mps": 1.0},
    }
}


@pytest.mark.parametrize(
    ("overrides", "index"),
    [
        ({"channel.coherence": "round"}, 1),
        ({"channel.coherence": 0.05}, INF),
        ({"channel.coherence": 0.05, "devices.mobility": {"kind": "static"}} | FIXED, 1),
        ({"channel.coherence": 0.05, "devices.mobility": {"kind": "static"}} | MOVING, INF),
        ({"channel.coherence": "round", "protocol.deadline_s": 30.0}, INF),
        (
            {
                "channel.coherence": "round",
                "protocol.outage": {"min_gain_db": -90.0, "action": "retry"},
            },
            INF,
        ),
    ],
)
def test_a_changing_gain_a_deadline_or_an_outage_bound_the_delay(
    overrides: dict[str, Any], index: float
) -> None:
    removed = {} if "protocol.outage" in overrides else {"protocol.outage": None}
    scenario = resolved(PHASED, ALL_IN | removed | overrides)

    assert tail_index(scenario) == index


def delays(overrides: dict[str, Any]) -> ndarray:
    few = {"devices.count": 4, "rounds": 4000, "learner": None, "seed": 5}
    result = run(Scenario.load(BASE, few | overrides), learning=False)
    return result.rounds.delay_s.to_numpy()


@pytest.mark.parametrize(
    ("overrides", "rival"),
    [
        (ALL_IN | RICIAN | {"channel.fading": {"kind": "rician", "k_factor_db": 0.0}}, 2.0),
        (ALL_IN | nakagami(2.0), 1.0),
        ({"scheduler.kind": "latency_first", "scheduler.count": 3}, 1.0),
    ],
)
def test_simulated_delays_have_the_index_of_the_rule(
    overrides: dict[str, Any], rival: float
) -> None:
    share = 0.02
    estimate = hill(delays(overrides), share)
    index = tail_index(resolved(BASE, {"devices.count": 4} | overrides))

    assert estimate is not None
    half_width = 3 * index / (share * 4000) ** 0.5
    assert estimate == pytest.approx(index, abs=half_width)
    assert abs(estimate - rival) > half_width


def test_a_run_without_a_mean_delay_has_its_median(tmp_path: Path) -> None:
    heavy = {
        "channel": {"fading": {"kind": "rician", "k_factor_db": 9.0}, "coherence": "round"},
        "scheduler": {"kind": "all_in", "delay_budget_s_per_bit": 0.002},
    }
    light = heavy | {"protocol": {"kind": "phased", "deadline_s": 9.0}}
    without, with_mean = (
        analysis.load(four_rounds(tmp_path / name, scenario))
        for name, scenario in (("heavy", heavy), ("light", light))
    )

    assert analysis.summary(without)["delay_mean_s"] is None
    assert analysis.delay_statistics(without)["mean_s"] is None
    assert (
        analysis.summary(without)["delay_median_s"] == analysis.summary(with_mean)["delay_median_s"]
    )
    assert analysis.summary(with_mean)["delay_mean_s"] is not None
    assert analysis.delay_statistics(with_mean)["mean_per_budget"] is not None
    table = policy_table(Runs([without])).iloc[0]
    assert math.isnan(table.delay_mean_s)
    assert table.delay_mean_note == missing_mean(without.scenario)
    assert table.delay_p50_s == analysis.summary(without)["delay_median_s"]
