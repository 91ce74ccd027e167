"""Partitioners: each has its documented law, and shares are disjoint."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from support.tiny_learner import PhiloxStreams

from learner.data import LabelledDataset, Partition
from learner.data.plugin_partition import Partitioner
from learner.errors import LearnerInputError
from learner.rng import RngFactory
from learner.settings import Data
from netsim.streams import Streams

SAMPLES = 1200
CLASSES = 4
LABELS = np.arange(SAMPLES) % CLASSES
GROUPS = np.arange(SAMPLES) % 30


def make(
    table: Mapping[str, object],
    *,
    devices: int = 10,
    batch_size: int = 1,
    seed: int = 1,
    rng: RngFactory | None = None,
) -> Partition:
    data = Data.model_validate({"path": "somewhere", **table})
    labelled = LabelledDataset(([""] * SAMPLES,), LABELS, groups=GROUPS)
    return Partition(
        data, labelled, device_count=devices, batch_size=batch_size, rng=rng or PhiloxStreams(seed)
    )


KINDS = {
    "iid": {},
    "dirichlet": {"partition": {"kind": "dirichlet", "alpha": 0.5}},
    "shards": {"partition": {"kind": "shards", "per_device": 2}},
    "by_column": {"partition": {"kind": "by_column", "column": "writer"}},
    "lognormal": {"sizes": {"kind": "lognormal", "sigma": 1.0}},
    "dirichlet, lognormal": {
        "partition": {"kind": "dirichlet", "alpha": 0.1},
        "sizes": {"kind": "lognormal", "sigma": 0.5},
    },
}


@pytest.mark.parametrize("table", KINDS.values(), ids=KINDS)
def test_shares_are_disjoint_and_have_the_stated_sizes(table: Mapping[str, object]) -> None:
    partition = make(table)

    shares = [partition.share(device).tolist() for device in range(10)]

    assert [len(share) for share in shares] == partition.sizes.tolist()
    assert len(set().union(*shares)) == sum(map(len, shares)) <= SAMPLES
    assert partition.class_counts().sum(1).tolist() == partition.sizes.tolist()
    assert set(partition.minibatch(3, 1).tolist()) <= set(shares[3])


@pytest.mark.parametrize("table", KINDS.values(), ids=KINDS)
def test_a_partition_is_a_function_of_the_seed(table: Mapping[str, object]) -> None:
    first, same, second = (make(table, seed=seed).share(2) for seed in (1, 1, 2))

    assert np.array_equal(first, same)
    assert not np.array_equal(first, second)


def test_equal_sizes_use_all_samples_or_the_given_share() -> None:
    for table in ({}, KINDS["dirichlet"], KINDS["shards"]):
        assert make(table).sizes.tolist() == [120] * 10
        assert make(table | {"share": 0.05}).sizes.tolist() == [60] * 10


def test_lognormal_sizes_spread_as_they_should() -> None:
    sizes = make({"sizes": {"kind": "lognormal", "sigma": 0.3}}, devices=100).sizes

    spread = np.log(sizes).std()
    # Rounding down to whole samples adds a little; the half-width is three standard errors of a
    # spread.
    half_width = 3 * 0.3 / np.sqrt(2 * 100)
    assert abs(spread - 0.3) < half_width + 0.02
    assert half_width < 0.1
    assert SAMPLES - 100 <= sizes.sum() <= SAMPLES


@pytest.mark.parametrize(("alpha", "low", "high"), [(1000.0, 0.25, 0.42), (0.05, 0.85, 1.0)])
def test_dirichlet_concentrates_as_alpha_falls(alpha: float, low: float, high: float) -> None:
    partition = make(
        {"partition": {"kind": "dirichlet", "alpha": alpha}, "share": 0.02}, devices=20
    )

    counts = partition.class_counts()

    largest = (counts.max(1) / counts.sum(1)).mean()
    assert low <= largest <= high


def test_dirichlet_mixes_have_the_variance_of_their_law() -> None:
    alpha = 2.0
    devices = 300
    partition = make(
        {"partition": {"kind": "dirichlet", "alpha": alpha}, "share": 1 / 600}, devices=devices
    )
    # Two samples each of 1,200: half of the data, so that hardly a class runs out.
    counts = partition.class_counts()

    # A pair of one class: p^2 + Var(p), with Var(p) = p (1 - p) / (alpha + 1) for each of the four
    # classes.
    p = 1 / CLASSES
    expected = CLASSES * (p**2 + p * (1 - p) / (alpha + 1))
    pairs = (counts.max(1) == 2).mean()
    half_width = 3 * np.sqrt(expected * (1 - expected) / devices)
    assert abs(pairs - expected) < half_width
    assert expected - half_width > p, "independent draws would give 1 / C"


def test_shards_show_a_device_few_classes() -> None:
    counts = make({"partition": {"kind": "shards", "per_device": 2}}, devices=20).class_counts()

    # 40 shards of 30 samples, 10 to a class of 300: none of them straddles two classes.
    assert ((counts > 0).sum(1) <= 2).all()
    assert set(counts[counts > 0].tolist()) <= {30, 60}


def test_a_value_of_a_column_stays_on_one_device() -> None:
    partition = make({"partition": {"kind": "by_column", "column": "writer"}}, devices=7)

    owners = [set(GROUPS[partition.share(device)].tolist()) for device in range(7)]

    assert sum(map(len, owners)) == len(set().union(*owners)) == 30
    assert {len(values) for values in owners} == {4, 5}


@settings(max_examples=30, deadline=None)
@given(
    alpha=st.floats(1e-3, 1e3),
    devices=st.integers(1, 60),
    sigma=st.floats(0.01, 2.0),
    seed=st.integers(0, 2**32),
)
def test_dirichlet_gives_every_device_its_size(
    alpha: float, devices: int, sigma: float, seed: int
) -> None:
    table = {
        "partition": {"kind": "dirichlet", "alpha": alpha},
        "sizes": {"kind": "lognormal", "sigma": sigma},
    }
    plain = make({"sizes": table["sizes"]}, devices=devices, batch_size=0, seed=seed)

    mixed = make(table, devices=devices, batch_size=0, seed=seed)

    assert mixed.sizes.tolist() == plain.sizes.tolist()
    shares = [mixed.share(device).tolist() for device in range(devices)]
    assert len(set().union(*shares)) == sum(map(len, shares))


def test_a_partition_has_a_summary() -> None:
    assert make({}).summary() == (
        "iid partition: 10 devices with 120 samples each, 1,200 of 1,200 in all; 4 classes per "
        "device"
    )
    assert make({"share": 0.5, "overlap": True}).summary() == (
        "iid partition: 10 devices with 600 samples each, which may overlap"
    )
    assert make(KINDS["by_column"], devices=7).summary() == (
        "by_column partition: 7 devices with 160 to 200 (median 160) samples each, 1,200 of "
        "1,200 in all; "
        "4 classes per device"
    )
    assert make({}, devices=1).summary() == (
        "iid partition: 1 device with 1,200 samples each, 1,200 of 1,200 in all; 4 classes per "
        "device"
    )


def test_a_partition_can_be_stored_as_a_table() -> None:
    table = make(KINDS["shards"]).table()

    assert set(table) == {"device", "label", "samples"}
    assert table["samples"].sum() == SAMPLES
    assert (table["samples"] > 0).all()
    overlapping = make({"share": 0.5, "overlap": True}).table()
    assert overlapping["label"] is None
    assert overlapping["device"].tolist() == list(range(10))
    assert overlapping["samples"].tolist() == [600] * 10


@pytest.mark.parametrize(
    ("table", "devices", "key", "problem"),
    [
        (
            {"partition": {"kind": "by_column", "column": "writer"}},
            31,
            "learner.data.partition.column",
            "the column has 30 values, which is less than one for each of 31 devices",
        ),
        (
            {"partition": {"kind": "shards", "per_device": 121}},
            10,
            "learner.batch_size",
            "4 is more than the 0 training samples that a device holds",
        ),
    ],
)
def test_impossible_shares_are_refused(
    table: Mapping[str, object], devices: int, key: str, problem: str
) -> None:
    with pytest.raises(LearnerInputError) as caught:
        make(table, devices=devices, batch_size=4)

    assert (caught.value.key, caught.value.problem) == (key, problem)


def test_a_share_too_small_for_a_minibatch_names_its_device() -> None:
    spread = {"sizes": {"kind": "lognormal", "sigma": 2.0}}
    sizes = make(spread).sizes
    device = int(sizes.argmin())
    few = int((sizes < 60).sum())

    with pytest.raises(LearnerInputError) as caught:
        make(spread, batch_size=60)

    assert caught.value.problem == (
        f"60 is more than the {sizes.min()} training samples that device {device} holds; "
        f"{few} of 10 devices hold too few"
    )


def test_a_hundred_thousand_overlapping_shares_cost_nothing() -> None:
    partition = make({"share": 0.01, "overlap": True}, devices=100_000)

    assert len(partition.share(99_999)) == 12
    assert len(partition.minibatch(5, 3)) == 1


class Draws(Partitioner):
    """Partition that notes the first number of some streams."""

    drawn: ClassVar[list[float]] = []

    def shares(self, labels: ndarray, sizes: ndarray, rng: RngFactory) -> list[ndarray]:
        streams = [("x",), ("x", 0), ("x", 0, 0), ("test",), ("y", 3), ("y", 4)]
        self.drawn[:] = [rng(*stream).random() for stream in streams]
        assert self.drawn == [rng(*stream).random() for stream in streams]
        return np.array_split(np.arange(len(labels)), len(sizes))


def test_streams_of_an_own_partition_meet_no_others() -> None:
    rng = Streams(1).generator

    make({"partition": {"kind": f"{__name__}:Draws"}}, rng=rng)

    assert len({*Draws.drawn, rng("test").random()}) == 7
