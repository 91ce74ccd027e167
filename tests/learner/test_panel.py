"""Panel of training samples: the same for every policy, and its loss by other means."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from support.tiny_learner import OVERFLOWING, Make, PhiloxStreams, train
from support.unsplit_model import Unsplit

from learner import centralised, fedavg_learner, split_learner
from learner.aggregation import MeanAggregator
from learner.data import LabelledDataset, Panel, Partition
from learner.errors import DivergedError
from learner.settings import Data, LearnerSettings
from learner.split_learner import DeviceLearner

DEVICES = 6


def partition(devices: int, samples: int = 1500, **table: object) -> Partition:
    data = Data.model_validate({"path": "somewhere", **table})
    labelled = LabelledDataset(([""] * samples,), np.arange(samples) % 3)
    return Partition(data, labelled, device_count=devices, batch_size=1, rng=PhiloxStreams(1))


@pytest.mark.parametrize(("devices", "count"), [(7, 50), (7, 7), (300, 64), (3, 1), (1, 40)])
@pytest.mark.parametrize(
    "table", [{}, {"overlap": True, "share": 0.5}, {"sizes": {"kind": "lognormal", "sigma": 0.3}}]
)
def test_a_panel_has_samples_of_its_owners_spread_evenly(
    devices: int, count: int, table: dict[str, object]
) -> None:
    shares = partition(devices, **table)

    panel = Panel.drawn(shares, count, PhiloxStreams(2))

    held = np.bincount(panel.owners, minlength=devices)
    assert len(panel.rows) == len(panel.owners) == count
    assert held.max() - held.min() <= 1
    for device in set(panel.owners.tolist()):
        rows = panel.rows[panel.owners == device].tolist()
        assert len(set(rows)) == len(rows)
        assert set(rows) <= set(shares.share(device).tolist())


def test_a_device_with_few_samples_gives_all_of_them() -> None:
    shares = partition(4, samples=12)

    panel = Panel.drawn(shares, 100, PhiloxStreams(2))

    assert sorted(panel.rows.tolist()) == sorted(
        row for device in range(4) for row in shares.share(device).tolist()
    )


def test_seeds_have_different_panels() -> None:
    shares = partition(300)

    first, same, other = (Panel.drawn(shares, 64, PhiloxStreams(seed)) for seed in (2, 2, 3))

    assert np.array_equal(first.rows, same.rows)
    assert not np.array_equal(first.owners, other.owners)
    assert len(set(first.rows.tolist()) & set(other.rows.tolist())) < 40


def by_the_unsplit_model(
    subject: DeviceLearner, settings: LearnerSettings, owners: Sequence[int]
) -> float:
    """Return the mean loss of the panel under its owners' heads, one sample at a time."""
    unsplit = Unsplit(subject, settings, sorted(set(owners)))
    samples = subject.parts.samples
    rows = subject.parts.panel.rows[:, None]
    with torch.no_grad():
        losses = [
            unsplit.loss(device, samples.batch(row), samples.labels_of(row)).item()
            for device, row in zip(owners, rows, strict=True)
        ]
    return float(np.mean(losses))


@pytest.mark.parametrize("kind", ["batched", "eager", "fedavg"])
def test_the_panel_loss_is_that_of_the_unsplit_model(
    make_settings: Make, rng: PhiloxStreams, kind: str
) -> None:
    heads = {"init": "per_device"}
    settings = make_settings(heads=heads, executor="eager" if kind == "eager" else "batched")
    subject: DeviceLearner = (
        fedavg_learner.build(settings, DEVICES, rng, local_steps=2)
        if kind == "fedavg"
        else split_learner.build(settings, DEVICES, rng)
    )
    before = subject.evaluate().panel_loss
    train(subject, 1, [4, 1])
    train(subject, 2, [1, 3])
    owners = subject.parts.panel.owners.tolist()

    after = subject.evaluate().panel_loss

    assert sorted(set(owners)) == list(range(DEVICES))
    assert after == pytest.approx(by_the_unsplit_model(subject, settings, owners), rel=1e-9)
    assert abs(after - before) > 1e-3, "an untrained model would prove little"


def test_the_panel_loss_of_centralised_training_is_under_its_one_head(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    settings = make_settings()
    subject = centralised.build(settings, DEVICES, rng)
    split = split_learner.build(settings, DEVICES, rng)
    for device in (4, 1):
        subject.delivered(subject.start(device, 1), "data")
    subject.aggregate(MeanAggregator(), 1)
    subject.aggregate(MeanAggregator(), 2)
    rows = subject.parts.panel.rows

    result = subject.evaluate().panel_loss

    assert np.array_equal(rows, split.parts.panel.rows), "the panel of split fine-tuning"
    assert result == pytest.approx(
        by_the_unsplit_model(subject._server, settings, [0] * len(rows)), rel=1e-9
    )


def test_a_panel_loss_that_is_not_finite_is_never_reported(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    settings = make_settings(precision="float32", head_optimizer=OVERFLOWING)
    subject = split_learner.build(settings, 3, rng)
    for round_number in (1, 2):
        train(subject, round_number, [2], lost=[2])

    with pytest.raises(DivergedError, match="device 2"):
        subject.evaluate()
