"""Shape and type annotations, executed in runs over every kind of every family of a scenario."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from support.command_line import NETWORK

from coupling.scenario.scenario import Scenario
from learner.settings.codec import KINDS
from netsim.scheduling.registry import POLICIES

TESTS = Path(__file__).resolve().parents[1]
TOWN = TESTS.parent / "scenarios" / "mobility" / "town.fcd.xml"
DISC = {"kind": "disc", "center_m": [300.0, 0.0], "radius_m": 50.0}
RADIO = {
    "cell.downlink_bandwidth_hz": 5e6,
    "cell.server_tx_power_w": 20.0,
    "cell.compute": {"workers": 2, "speed_per_s": 1e13},
    "devices.compute": {"speed_per_s": 1e11, "jitter": 0.2},
}
PHASED = RADIO | {
    "channel.coherence": 0.1,
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 4e6, "feature": 3e5, "gradient": 1e5},
        "operations": {"embed": 1e9, "encode": 1e10, "head": 1e8, "backward": 1e10},
        "outage": {"min_gain_db": -70.0, "action": "skip"},
    },
}
BATTERY = {"capacity_j": 120.0, "initial": [0.3, 1.0], "recharge_w": 0.4, "idle_w": 0.1}
TR38901 = {"kind": "tr38901", "scenario": "umi", "carrier_hz": 3.5e9}
NETWORK_RUNS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "policies": [
        {"scheduler": {"kind": kind, "delay_budget_s": 20.0, **options}}
        for kind, options in {
            **{kind: {} for kind in POLICIES},
            "random": {"count": 2},
            "round_robin": {"count": 2},
            "proportional_fair": {"count": 2},
            "latency_first": {"count": 2},
            "oracle_static": {"count": 2},
            "knapsack_energy": {"energy_budget_j": 50.0, "diagnose": "devices"},
        }.items()
    ],
    "link": [
        base
        | {
            "scheduler": {"kind": kind, "delay_budget_s": 20.0, **options},
            "channel.link": {"kind": "shannon", "max_bps_per_hz": 2.0, "min_snr_db": -30.0},
        }
        for base in ({}, PHASED)
        for kind, options in {
            "exact": {"diagnose": "devices"},
            "algorithm1": {},
            "aaba": {},
            "latency_first": {"count": 2},
            "proportional_fair": {"count": 2},
            "knapsack_energy": {"energy_budget_j": 50.0},
        }.items()
    ],
    "placement": [
        {"devices.placement": placement}
        for placement in (
            {"kind": "annulus", "inner_radius_m": 10.0, "outer_radius_m": 50.0},
            {"kind": "clusters", "radius_m": 90.0, "clusters": 2, "sigma_m": 9.0},
            {"kind": "grid", "spacing_m": 10.0, "columns": 2, "rows": 2},
            {"kind": "line", "start_m": [50.0, 0.0], "end_m": [90.0, 9.0]},
            {"kind": "points", "positions_m": [[50.0, 0.0], [60.0, 0.0], [70.0, 0.0], [80.0, 1.0]]},
        )
    ],
    "mobility": [
        PHASED | {"devices.mobility": mobility}
        for mobility in (
            {"kind": "static"},
            {"kind": "random_waypoint", "speed_mps": [0.5, 2.0], "pause_s": 10.0},
            {"kind": "gauss_markov", "sigma_mps": 2.0, "correlation_time_s": 20.0},
            {"kind": "trace", "path": "positions.csv"},
            {"kind": "sumo", "path": str(TOWN)},
        )
    ]
    + [
        {
            "devices.placement": {"kind": "line", "start_m": [50.0, 0.0], "end_m": [900.0, 9.0]},
            "devices.mobility": {"kind": "road", "speed_mps": [5.0, 9.0]},
        }
    ],
    "availability": [
        PHASED | {"devices.availability": availability, "devices.battery": BATTERY}
        for availability in (
            {"kind": "always"},
            {"kind": "markov", "mean_on_s": 60.0, "mean_off_s": 20.0},
            {"kind": "trace", "path": "available.csv"},
        )
    ],
    "path loss": [
        {"channel.path_loss": path_loss}
        for path_loss in (
            {"kind": "free_space", "carrier_hz": 2e9},
            {
                "kind": "log_distance",
                "exponent": 3.0,
                "reference_m": 1.0,
                "reference_loss_db": 31.0,
                "shadowing": {"sigma_db": 6.0, "correlation_m": 50.0},
            },
            TR38901,
        )
    ],
    "fading": [
        changes | {"channel.fading": fading}
        for fading in (
            {"kind": "none"},
            {"kind": "rayleigh"},
            {"kind": "rician", "k_factor_db": 3.0},
            {"kind": "nakagami", "m": 2.0},
        )
        for changes in ({}, PHASED)
    ]
    + [
        PHASED
        | {
            "devices.mobility": {"kind": "random_waypoint", "speed_mps": [0.5, 2.0]},
            "channel.fading": {
                "kind": "rayleigh",
                "correlation": {"carrier_hz": 2e9, "waves": 8},
            },
        }
    ],
    "csi": [
        PHASED | {"scheduler.csi": csi}
        for csi in (
            {"kind": "perfect"},
            {"kind": "delayed", "blocks": 2},
            {"kind": "noisy", "std_db": 3.0},
        )
    ],
    "zeta": [
        {"scheduler.zeta": zeta}
        for zeta in ({"kind": "constant"}, {"kind": "power", "exponent": 0.4})
    ],
}
LEARNING_RUNS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "protocols": [
        {},
        RADIO | {"protocol": {"kind": "fedavg_lora", "payload_bit": 1e6, "local_steps": 2}},
        RADIO | {"protocol": {"kind": "centralised", "payload_bit": 1e6}},
    ],
    "codecs": [
        PHASED | {"learner.codec": {leg: {"kind": kind, **options}}}
        for kind, leg, options in (
            *((kind, "default", {}) for kind in ("float64", "float32", "float16", "bfloat16")),
            *((kind, "default", {}) for kind in ("int8", "int4")),
            ("top_k", "default", {"k": 3}),
            ("low_rank", "embedding", {"rank": 2}),
        )
    ],
    "partitions": [
        {"learner.data.partition": {"kind": "iid"}, "learner.data.sizes": {"kind": "equal"}},
        {
            "learner.data.partition": {"kind": "iid"},
            "learner.data.sizes": {"kind": "lognormal", "sigma": 0.5},
        },
        {"learner.data.partition": {"kind": "dirichlet", "alpha": 1.0}},
        {"learner.data.partition": {"kind": "shards"}},
        {"learner.data.partition": {"kind": "by_column", "column": "label"}, "devices.count": 3},
    ],
    "optimizers": [
        {"learner.optimizer": optimizer}
        for optimizer in (
            {"kind": "adamw", "lr": 0.01, "schedule": {"kind": "cosine", "total_steps": 9}},
            {"kind": "sgd", "lr": 0.01, "schedule": {"kind": "linear", "total_steps": 9}},
            {"kind": "sgd", "lr": 0.01, "schedule": {"kind": "inverse_sqrt"}},
            {"kind": "sgd", "lr": 0.01, "schedule": {"kind": "constant"}},
        )
    ],
}
ELSEWHERE = {"disc", "power_law", "rayleigh", "aggregate", "inverse_sqrt", *POLICIES}
"""Kinds of the small network that all runs extend, and policies, whose options are free."""


def kinds_of_schema() -> set[str]:
    """Return every built-in kind that the JSON Schema of a scenario names."""
    kinds: set[str] = set()
    for table in Scenario.model_json_schema()["$defs"].values():
        kind = table.get("properties", {}).get("kind", {})
        kinds |= {*kind.get("enum", [])} | ({kind["const"]} if "const" in kind else set())
    return kinds | set(KINDS)


def kinds_of_runs(value: object) -> set[str]:
    """Return the kinds that overrides choose."""
    if isinstance(value, Mapping):
        own = {kind} if isinstance(kind := value.get("kind"), str) else set()
        return own.union(*map(kinds_of_runs, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return set().union(*map(kinds_of_runs, value))
    return set()


def execute(folder: Path, path: str, runs: Sequence[object], learning: bool) -> list[str]:
    """Run scenarios with executed annotations; return the errors of the planted violations."""
    devices = range(10)
    rows = [(device, time_s) for device in devices for time_s in (0.0, 30.0, 90.0)]
    table = pd.DataFrame(rows, columns=["device", "time_s"])
    available = (table.device + table.time_s) % 4 != 0
    table.assign(available=available).to_csv(folder / "available.csv", index=False)
    moving = table.assign(x_m=250.0 + table.time_s, y_m=table.device)
    moving.to_csv(folder / "positions.csv", index=False)

    done = subprocess.run(
        [sys.executable, "-m", "support.annotated_runs"],
        input="".join(json.dumps([path, run, learning]) + "\n" for run in runs),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_every_kind_of_every_family_is_in_a_run() -> None:
    assert kinds_of_schema() - kinds_of_runs([NETWORK_RUNS, LEARNING_RUNS]) - ELSEWHERE == set()
    assert set(POLICIES) <= kinds_of_runs(NETWORK_RUNS)


def test_the_annotations_hold_in_network_runs_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "network.toml").write_text(NETWORK)
    runs = [run for family in NETWORK_RUNS.values() for run in family]

    assert execute(tmp_path, "network.toml", runs, learning=False) == ["TypeCheckError"] * 3


def test_the_annotations_hold_in_learning_runs_of_every_kind(
    tmp_path: Path, tiny_learner: str
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "learning.toml").write_text(NETWORK + tiny_learner)
    runs = [run for family in LEARNING_RUNS.values() for run in family]

    assert execute(tmp_path, "learning.toml", runs, learning=True) == ["TypeCheckError"] * 3
