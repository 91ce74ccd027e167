"""Federated devices together: equal to one after another, in as many passes as there is room."""

from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, arrays, train
from torch import Tensor
from typing_extensions import override

from learner.aggregation import AdapterModel, Aggregator, Update
from learner.executor import adapter_copies
from learner.fedavg_learner import FedAvgLearner, build
from learner.job import Job
from learner.settings import LearnerSettings
from learner.split import Split

DEVICES = 6
ROUNDS = [([0, 1, 2, 5], [2]), ([3, 1], []), ([4], [4]), ([5, 4, 3, 2, 1, 0], [0, 3])]
SGD = {"kind": "sgd", "lr": 0.1}
ADAMW = {"kind": "adamw", "lr": 0.01, "weight_decay": 0.1}
# Gradients of some devices and steps are longer than this, and others are not.
CLIPPED = {**SGD, "clip_norm": 0.06, "schedule": {"kind": "linear", "total_steps": 20}}
QUERY = {"rank": 2, "alpha": 4, "targets": ["query", "value"]}


class LastAggregator(Aggregator):
    """Aggregator that is not linear: the update that was added last counts alone."""

    @override
    def add(self, job: Job, update: Update, staleness: int) -> None:
        self._last = update

    @override
    def apply(self, model: AdapterModel) -> None:
        model.step(self._last.matrices)


def after_training(
    settings: LearnerSettings, aggregator: Aggregator | None = None
) -> tuple[FedAvgLearner, list[dict[int, float]]]:
    subject = build(settings, DEVICES, PhiloxStreams(3), local_steps=3)
    results = [
        train(subject, number, devices, lost=lost, aggregator=aggregator)
        for number, (devices, lost) in enumerate(ROUNDS, start=1)
    ]
    return subject, [
        dict(numbers) for result in results for numbers in (result.losses, result.gradient_norms)
    ]


def assert_equal_training(together: LearnerSettings) -> None:
    """Assert that devices together learn the same as one after another, to 1e-9."""
    in_turn = together.model_copy(update={"executor": "eager"})
    first, numbers = after_training(together)
    second, reference = after_training(in_turn)
    for own, other in zip(numbers, reference, strict=True):
        assert own == pytest.approx(other, rel=1e-9)
    for own, other in zip(arrays(first), arrays(second), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)
    assert first.evaluate().loss == pytest.approx(second.evaluate().loss, rel=1e-9)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@pytest.mark.parametrize("tokens", [1, 60, 100_000])
def test_together_equals_one_after_another(
    make_settings: Make, attention: str, tokens: int
) -> None:
    assert_equal_training(make_settings(attention=attention, micro_batch_tokens=tokens))


@pytest.mark.parametrize("rule", [ADAMW, CLIPPED], ids=["adamw", "clipped"])
def test_each_copy_has_a_rule_of_its_own(make_settings: Make, rule: dict[str, object]) -> None:
    changes = {"head_optimizer": SGD, "pooling": "mean", "lora": QUERY}
    assert_equal_training(make_settings(**changes, optimizer=rule, micro_batch_tokens=100_000))


def test_copies_beyond_the_memory_pass_later(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(micro_batch_tokens=100_000)
    split = build(settings, DEVICES, PhiloxStreams(3), local_steps=3).parts.split
    assert adapter_copies.maximum_copies(split) > DEVICES
    # Value, gradient and two moments of 8 bytes each; one byte is missing for a third copy.
    room = 3 * 4 * 8 * split.trainable_parameters - 1
    monkeypatch.setattr(adapter_copies, "MAXIMUM_BYTES", room)
    assert adapter_copies.maximum_copies(split) == 2
    counts = counted_passes(monkeypatch)

    assert_equal_training(settings)

    assert max(counts) == 2


def counted_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that collects the number of devices of each pass with copies."""
    encode = Split.encode
    counts: list[int] = []

    def counted(split: Split, embedded: Any, owners: Any = None) -> Tensor:
        if owners is not None:
            counts.append(len(np.unique(owners)))
        return encode(split, embedded, owners)

    monkeypatch.setattr(Split, "encode", counted)
    return counts


def test_all_devices_of_a_local_step_are_one_pass(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counted_passes(monkeypatch)

    after_training(make_settings(attention="plain", micro_batch_tokens=100_000))

    assert counts == [4] * 3 + [2] * 3 + [1] * 3 + [6] * 3


def test_an_aggregator_gets_the_same_updates(make_settings: Make) -> None:
    updates = [
        after_training(make_settings(executor=executor), LastAggregator())
        for executor in ("batched", "eager")
    ]
    for own, other in zip(*(arrays(subject) for subject, _ in updates), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2**-5)])
def test_together_is_near_one_after_another_in_short_formats(
    make_settings: Make, precision: str, tolerance: float
) -> None:
    together, _ = after_training(make_settings(precision=precision))
    in_turn, _ = after_training(make_settings(precision=precision, executor="eager"))

    for own, other in zip(arrays(together), arrays(in_turn), strict=True):
        assert (own - other).norm() <= tolerance * other.norm()


def test_a_compiled_encoder_keeps_to_one_after_another(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    counts = counted_passes(monkeypatch)

    after_training(make_settings(compile=True))

    assert not counts


def test_a_job_of_copies_leaves_the_modules_as_they_were(make_settings: Make) -> None:
    subject, _ = after_training(make_settings())

    modules = subject.parts.split.model.modules()
    assert not [module for module in modules if "forward" in vars(module)]
