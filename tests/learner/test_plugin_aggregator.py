"""Plug-in aggregators: a coordinate-wise median and a staleness discount, in this file alone."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.tiny_learner import Make, PhiloxStreams, aggregate, compute, train
from support.unsplit_model import Unsplit, lora_values
from torch import Tensor

from learner import fedavg_learner, split_learner
from learner.aggregation import (
    AdapterModel,
    Aggregator,
    LinearAggregator,
    MeanAggregator,
    Update,
    build_aggregator,
)
from learner.errors import AggregatorError, LearnerInputError
from learner.job import Job
from learner.split_learner import DeviceLearner

DEVICES = 6
LR = 0.1
PLUGIN = {"rank": 2, "alpha": 4, "targets": ["query", "value", "pooler.dense"]}


class MedianAggregator(Aggregator):
    """Coordinate-wise median of the updates."""

    updates: list[Update] = []  # noqa: RUF012  (replaced, never changed in place)

    def add(self, job: Job, update: Update, staleness: int) -> None:
        self.updates = [*self.updates, update]

    def apply(self, model: AdapterModel) -> None:
        by_matrix = zip(*(update.matrices for update in self.updates), strict=True)
        self.updates = []
        model.step([torch.stack(values).median(dim=0).values for values in by_matrix])


class StaleAggregator(LinearAggregator):
    """Weighted mean in which each round of staleness halves an update's weight."""

    def weights(self, jobs: list[Job], staleness: np.ndarray) -> np.ndarray:
        return self.base_weights(jobs) * 0.5**staleness


class SeparateMean(Aggregator):
    """The built-in mean from updates that are formed one by one."""

    def __init__(self, weighting: str = "uniform") -> None:
        super().__init__(weighting)
        self.mean = MeanAggregator(weighting)

    def add(self, job: Job, update: Update, staleness: int) -> None:
        self.mean.add(job, update, staleness)

    def apply(self, model: AdapterModel) -> None:
        self.mean.apply(model)


class NegativeAggregator(LinearAggregator):
    def weights(self, jobs: list[Job], staleness: np.ndarray) -> np.ndarray:
        return -np.ones(len(jobs))


class FailingAggregator(Aggregator):
    def add(self, job: Job, update: Update, staleness: int) -> None:
        raise KeyError("lost")

    def apply(self, model: AdapterModel) -> None:
        pass


class TruncatedAggregator(Aggregator):
    def add(self, job: Job, update: Update, staleness: int) -> None:
        pass

    def apply(self, model: AdapterModel) -> None:
        model.step(model.matrices[:-1])


def plugin(kind: type[Aggregator]) -> dict[str, object]:
    return PLUGIN | {"aggregation": f"{__name__}:{kind.__name__}"}


def build(make_settings: Make, learner: str, **changes: object) -> DeviceLearner:
    """Return a learner whose B is no longer 0, so that A has a gradient too."""
    if learner == "fedavg":
        settings = make_settings(**changes)
        subject = fedavg_learner.build(settings, DEVICES, PhiloxStreams(1), local_steps=1)
    else:
        settings = make_settings(executor=learner, **changes)
        subject = split_learner.build(settings, DEVICES, PhiloxStreams(1))
    train(subject, 1, [0, 1, 2], aggregator=MeanAggregator())
    return subject


def lora_of(subject: DeviceLearner) -> list[Tensor]:
    return [matrix for pair in lora_values(subject).values() for matrix in pair]


def device_gradients(subject: DeviceLearner, devices: list[int]) -> list[tuple[Tensor, ...]]:
    """Return each device's gradient of the LoRA matrices, from the unsplit model."""
    unsplit = Unsplit(subject, subject.settings, devices)
    matrices = [matrix for pair in unsplit.pairs.values() for matrix in pair]
    samples = subject.parts.samples
    gradients = []
    for device in devices:
        rows = subject.partition.minibatch(device, 2)
        loss = unsplit.loss(device, samples.batch(rows), samples.labels_of(rows))
        gradients.append(torch.autograd.grad(loss, matrices))
    return gradients


@pytest.mark.parametrize("learner", ["batched", "eager", "fedavg"])
def test_a_median_of_updates_is_taken_coordinate_by_coordinate(
    make_settings: Make, learner: str
) -> None:
    subject = build(make_settings, learner, lora=plugin(MedianAggregator))
    before = lora_of(subject)
    gradients = device_gradients(subject, [4, 1, 5])

    train(subject, 2, [4, 1, 3, 5], lost=[3])

    for new, old, *by_device in zip(lora_of(subject), before, *gradients, strict=True):
        median = torch.stack(by_device).median(dim=0).values
        assert not torch.equal(new, old)
        torch.testing.assert_close(new, old - LR * median, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("learner", ["batched", "eager", "fedavg"])
def test_a_stale_update_weighs_half_per_round(make_settings: Make, learner: str) -> None:
    subject = build(make_settings, learner, lora=plugin(StaleAggregator))
    before = lora_of(subject)
    stale, fresh = device_gradients(subject, [4, 1])
    leg = "adapter" if learner == "fedavg" else "gradient"

    # Both jobs draw the minibatch of round 2; the aggregator sees device 4's job as two rounds old.
    for device, age in ((4, 2), (1, 0)):
        job = compute(subject, device, 2)
        object.__setattr__(job, "round_number", 3 - age)
        subject.delivered(job, leg)
    aggregate(subject, 3)

    for new, old, late, own in zip(lora_of(subject), before, stale, fresh, strict=True):
        mean = (0.25 * late + own) / 1.25
        torch.testing.assert_close(new, old - LR * mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("learner", ["batched", "eager", "fedavg"])
def test_separate_updates_have_the_mean_of_the_joint_pass(
    make_settings: Make, learner: str
) -> None:
    sizes = {"kind": "lognormal", "sigma": 0.4}
    data = make_settings().data.model_dump() | {"sizes": sizes, "share": 0.1}
    changes = {"data": data, "weights": "samples", "batch_size": 1}
    if learner != "fedavg":
        changes["local_batches"] = 3
    joint, separate = (build(make_settings, learner, **changes) for _ in range(2))
    assert len(set(joint.samples.tolist())) > 3, "weights by samples must differ"

    results = [
        train(subject, 2, [5, 0, 3, 1], lost=[0], aggregator=aggregator("samples"))
        for subject, aggregator in ((joint, MeanAggregator), (separate, SeparateMean))
    ]

    for first, second in zip(lora_of(joint), lora_of(separate), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)
    for name in ("losses", "gradient_norms"):
        first, second = (dict(getattr(result, name)) for result in results)
        assert first.keys() == {0, 1, 3, 5}
        assert first == pytest.approx(second, rel=1e-9)


@pytest.mark.parametrize("learner", ["batched", "eager", "fedavg"])
def test_without_an_update_a_plugin_leaves_lora_to_the_last_bit(
    make_settings: Make, learner: str
) -> None:
    subject = build(make_settings, learner, lora=plugin(MedianAggregator))
    before = lora_of(subject)

    train(subject, 2, [3, 4], lost=[3, 4])

    assert all(torch.equal(new, old) for new, old in zip(lora_of(subject), before, strict=True))


@pytest.mark.parametrize("learner", ["batched", "eager", "fedavg"])
@pytest.mark.parametrize(
    ("aggregator", "problem"),
    [
        (
            NegativeAggregator,
            r"NegativeAggregator\.weights returned \[-1\.0, -1\.0\] for 2 updates; "
            "return one finite number of at least 0 per update",
        ),
        (FailingAggregator, "FailingAggregator failed: KeyError: 'lost'"),
        (
            TruncatedAggregator,
            "TruncatedAggregator failed: the combined update does not have the shapes of the "
            "matrices",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_aggregator_that_fails_is_reported_in_one_line(
    make_settings: Make, learner: str, aggregator: type[Aggregator], problem: str
) -> None:
    subject = build(make_settings, learner)
    before = lora_of(subject)

    with pytest.raises(AggregatorError, match=f"^{problem}$"):
        train(subject, 2, [0, 1], aggregator=aggregator())

    assert all(torch.equal(new, old) for new, old in zip(lora_of(subject), before, strict=True))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("nowhere:Rule", "aggregator 'nowhere:Rule' cannot be imported: No module named 'nowhere'"),
        (
            "learner.job:Job",
            "aggregator 'learner.job:Job' is not a subclass of learner.aggregation.Aggregator",
        ),
        (
            "learner.aggregation:Aggregator",
            "aggregator 'learner.aggregation:Aggregator' cannot be created: Can't instantiate "
            "abstract class Aggregator with abstract methods add, apply",
        ),
    ],
)
def test_a_missing_aggregator_is_refused_in_one_line(
    make_settings: Make, kind: str, problem: str
) -> None:
    settings = make_settings(lora=PLUGIN | {"aggregation": kind})

    with pytest.raises(LearnerInputError) as refused:
        build_aggregator(settings)

    assert str(refused.value) == f"learner.lora.aggregation: {problem}"


def test_an_unknown_name_is_refused_with_the_allowed_ones(make_settings: Make) -> None:
    with pytest.raises(
        ValidationError, match=r"'mean' is not 'factors' or 'package\.module:Class'"
    ):
        make_settings(lora=PLUGIN | {"aggregation": "mean"})


def test_interface_and_aggregators_need_no_pytorch() -> None:
    program = (
        "import sys, learner.base, learner.aggregation; assert 'torch' not in sys.modules; "
        "learner.base.NoLearner().aggregate(learner.aggregation.create('factors'), 1)"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
