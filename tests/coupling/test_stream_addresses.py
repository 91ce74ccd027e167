"""Addresses of random numbers: in a run, no two meanings share one."""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from support.small_runs import NETWORK, ROOT, learner_table

import coupling
from coupling import Scenario
from netsim.streams import Streams

UNBOUNDED = 2**62
HELPERS = {"_waves", "gaussian_random_field", "_jitter", "_words"}
"""Functions that draw for their caller, who gives the name."""

Meaning = tuple[str, int, int]
"""File and line of a draw, and its number of indices."""


@dataclass
class Addresses:
    """Addresses that a run uses: per stream, the ranges of words of each meaning."""

    drawn: dict[tuple[str, int, int], dict[Meaning, set[tuple[int, int]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def add(self, name: str, indices: tuple[Any, ...], first: Any, count: int) -> None:
        meaning = (*caller(sys._getframe(2)), len(indices))
        parts = np.broadcast_arrays(first, *(*indices, 0, 0)[:2])
        for word, high, low in zip(*(part.ravel().tolist() for part in parts), strict=True):
            self.drawn[name, high, low][meaning].add((word, word + count))

    def shared(self) -> list[str]:
        """Return the addresses with more than one meaning, one line each."""
        lines = []
        for address, meanings in self.drawn.items():
            ranges = sorted((*words, where) for where, them in meanings.items() for words in them)
            reached, owner = 0, None
            for start, stop, where in ranges:
                if start < reached and where != owner:
                    lines.append(f"{address}: {owner} and {where}")
                if stop > reached:
                    reached, owner = stop, where
        return lines


def caller(frame: FrameType | None) -> tuple[str, int]:
    """Return file and line of the code to which a draw belongs."""
    while frame is not None:
        code = frame.f_code
        if code.co_name not in HELPERS and not code.co_name.startswith("<"):
            return code.co_filename, frame.f_lineno
        frame = frame.f_back
    raise AssertionError("a draw has a caller")


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """Record every address of which a number is drawn."""
    record = Addresses()
    draws = {name: getattr(Streams, name) for name in ("generator", "words", "word_at")}
    draws["first_words"] = Streams.first_words

    def generator(self: Streams, name: str, *indices: int) -> Any:
        record.add(name, indices, 0, UNBOUNDED)
        return draws["generator"](self, name, *indices)

    def words(self: Streams, count: int, name: str, *indices: int, first: int = 0) -> Any:
        record.add(name, indices, first, count)
        return draws["words"](self, count, name, *indices, first=first)

    def word_at(self: Streams, number: Any, name: str, *indices: Any) -> Any:
        record.add(name, indices, number, 1)
        return draws["word_at"](self, number, name, *indices)

    def first_words(self: Streams, name: str, *indices: Any) -> Any:
        record.add(name, indices, 0, 4)
        return draws["first_words"](self, name, *indices)

    for method in (generator, words, word_at, first_words):
        monkeypatch.setattr(Streams, method.__name__, method)
    return record


PHASED: dict[str, Any] = {
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 4e6, "feature": 3e5, "gradient": 1e5},
        "operations": {"embed": 1e9, "encode": 1e9, "head": 1e6, "backward": 1e9},
    },
    "cell.downlink_bandwidth_hz": 5e6,
    "cell.server_tx_power_w": 20.0,
    "cell.compute": {"speed_per_s": 1e12, "jitter": 0.1},
    "devices.compute": {
        "classes": [{"share": 0.5, "speed_per_s": 1e9}, {"share": 0.5, "speed_per_s": 2e9}],
        "jitter": 0.2,
    },
    "channel.coherence": 0.5,
}
WALKING = {"kind": "random_waypoint", "speed_mps": [0.5, 2.0], "pause_s": 5.0}
DISTURBED: dict[str, Any] = {
    "scheduler.kind": "random",
    "scheduler.probability": 0.7,
    "scheduler.csi": {"kind": "noisy", "std_db": 2.0},
    "devices.availability": {"kind": "markov", "mean_on_s": 30.0, "mean_off_s": 5.0},
    "devices.battery": {"capacity_j": 500.0, "initial": [0.5, 1.0]},
}
CORRELATED = {"carrier_hz": 3.5e9}
SHADOWED = {
    "kind": "log_distance",
    "exponent": 3.0,
    "reference_m": 10.0,
    "reference_loss_db": 60.0,
    "shadowing": {"sigma_db": 4.0, "correlation_m": 30.0},
}
CLUSTERS = {"kind": "clusters", "clusters": 2, "radius_m": 100.0, "sigma_m": 10.0}
SCENARIOS: dict[str, dict[str, Any]] = {
    "the paper's": {"learner.data.sizes": {"kind": "lognormal", "sigma": 0.5}},
    "dirichlet": {"learner.data.partition": {"kind": "dirichlet", "alpha": 0.5}},
    "shards": {"learner.data.partition": {"kind": "shards", "per_device": 2}},
    "by column": {"learner.data.partition": {"kind": "by_column", "column": "writer"}},
    "overlap": {"learner.data.overlap": True, "learner.data.share": 0.5},
    "federated averaging": PHASED
    | {
        "protocol": {
            "kind": "fedavg_lora",
            "payload_bit": 1e6,
            "local_steps": 2,
            "operations": {"local_step": 1e9},
        }
    },
    "centralised": PHASED
    | {"protocol": {"kind": "centralised", "payload_bit": 1e6, "operations": {"step": 1e9}}},
    "walkers in correlated fading": PHASED
    | {
        "devices.mobility": WALKING,
        "channel.fading": {"kind": "rician", "k_factor_db": 3.0, "correlation": CORRELATED},
    },
    "disturbed": DISTURBED | PHASED | {"channel.fading": {"kind": "rician", "k_factor_db": 3.0}},
    "clusters in shadows": {
        "devices.placement": CLUSTERS,
        "channel.path_loss": SHADOWED,
        "channel.fading": {"kind": "nakagami", "m": 2.0},
    },
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small network with a tiny learner, whose samples have writers."""
    folder = tmp_path_factory.mktemp("addresses")
    table = {"learner": {**learner_table(folder), "evaluate_every": 2, "batch_size": 2}}
    train = folder / "data" / "train.parquet"
    samples = pd.read_parquet(train)
    samples.assign(writer=[f"w{n % 9}" for n in range(len(samples))]).to_parquet(train)
    (folder / "small.toml").write_text(tomli_w.dumps(NETWORK | table | {"rounds": 3}))
    return folder / "small.toml"


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_two_meanings_of_a_run_share_an_address(
    small: Path, addresses: Addresses, name: str
) -> None:
    scenario = Scenario.load(small, SCENARIOS[name])

    coupling.run(scenario)

    assert len(addresses.drawn) > 5
    assert addresses.shared() == []


@pytest.mark.parametrize("name", ["mobility/cyclists", "mobility/highway", "energy/solar"])
def test_no_two_meanings_of_a_shipped_world_share_an_address(
    addresses: Addresses, name: str
) -> None:
    scenario = Scenario.load(ROOT / "scenarios" / f"{name}.toml", {"rounds": 3})

    coupling.run(scenario, learning=False)

    assert len(addresses.drawn) > 5
    assert addresses.shared() == []


def test_a_missing_index_that_counts_as_0_is_noticed(addresses: Addresses) -> None:
    streams = Streams(1)
    streams.generator("a", 0)
    streams.words(4, "b", 7)
    streams.word_at(np.arange(4, 8), "b", 7)
    assert addresses.shared() == []

    streams.words(9, "a")

    assert len(addresses.shared()) == 1
