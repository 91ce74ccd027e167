"""Evaluation: the mean over all heads, however few of them are computed."""

import numpy as np
import pytest
import torch
from support.tiny_learner import OVERFLOWING, Make, PhiloxStreams, train
from torch.nn import functional

from learner import evaluate
from learner.errors import DivergedError
from learner.split_learner import SplitLearner, build

QUERY = {"rank": 2, "alpha": 4, "targets": ["query"]}


def naive_scores(subject: SplitLearner) -> tuple[list[float], list[float]]:
    """Return each device's loss and accuracy, one sample and one device at a time."""
    samples = subject.test
    losses = []
    accuracies = []
    for device in range(subject.device_count):
        stack = subject.parts.bank.stack([device])
        logits = torch.cat(
            [
                subject.parts.split.encode(
                    subject.parts.split.embed(samples.batch(np.array([row])))
                )
                @ stack.weight[0].T
                + stack.bias[0]
                for row in range(len(samples))
            ]
        )
        labels = torch.tensor(samples.labels)
        losses.append(functional.cross_entropy(logits, labels).item())
        accuracies.append((logits.argmax(1) == labels).double().mean().item())
    return losses, accuracies


@pytest.mark.parametrize("init", ["equal", "per_device"])
@pytest.mark.parametrize("chunk", [1, 2**22])
def test_an_evaluation_equals_a_naive_loop(
    make_settings: Make, rng: PhiloxStreams, monkeypatch: pytest.MonkeyPatch, init: str, chunk: int
) -> None:
    monkeypatch.setattr(evaluate, "MAX_LOGITS", chunk)
    adamw = {"kind": "adamw", "lr": 0.03}
    subject = build(
        make_settings(heads={"init": init}, pooling="cls", lora=QUERY, optimizer=adamw),
        7,
        rng,
    )
    for round_number, devices in enumerate([*[[1]] * 20, [1, 4], [4, 6]], start=1):
        train(subject, round_number, devices)

    result = subject.evaluate()

    losses, accuracies = naive_scores(subject)
    assert len(set(accuracies)) > 1, "equal heads would prove nothing"
    assert result.loss == pytest.approx(np.mean(losses), rel=1e-9)
    assert result.accuracy == pytest.approx(np.mean(accuracies), rel=1e-12)
    assert result.accuracy_trained == pytest.approx(
        np.mean([accuracies[k] for k in (1, 4, 6)]), rel=1e-12
    )
    assert result.accuracy_min == pytest.approx(min(accuracies), rel=1e-12)
    assert result.accuracy_max == pytest.approx(max(accuracies), rel=1e-12)
    assert result.heads_trained == 3


def test_before_training_no_device_counts_as_trained(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    result = build(make_settings(heads={"init": "equal"}), 7, rng).evaluate()

    assert result.heads_trained == 0
    assert result.accuracy_trained is None
    assert result.accuracy_min == result.accuracy == result.accuracy_max


def test_all_heads_trained_leaves_none_to_start_from(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    subject = build(make_settings(heads={"init": "equal"}), 2, rng)
    train(subject, 1, [0, 1])

    result = subject.evaluate()

    assert result.heads_trained == 2
    assert result.accuracy_trained == result.accuracy


def test_many_idle_devices_cost_no_heads(make_settings: Make, rng: PhiloxStreams) -> None:
    data = make_settings().data.model_dump() | {"share": 0.1, "overlap": True}
    subject = build(make_settings(data=data, heads={"init": "equal"}), 100_000, rng)
    train(subject, 1, [99_999])

    result = subject.evaluate()

    assert subject.parts.bank.trained == [99_999]
    untrained = naive_scores_of(subject, 0)
    assert result.loss == pytest.approx(
        (99_999 * untrained + naive_scores_of(subject, 99_999)) / 100_000
    )


def naive_scores_of(subject: SplitLearner, device: int) -> float:
    stack = subject.parts.bank.stack([device])
    rows = np.arange(len(subject.test))
    pooled = subject.parts.split.encode(subject.parts.split.embed(subject.test.batch(rows)))
    return functional.cross_entropy(
        stack.logits(pooled[None])[0], subject.test.labels_of(rows)
    ).item()


def test_a_test_loss_that_is_not_finite_is_never_reported(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    subject = build(make_settings(precision="float32", head_optimizer=OVERFLOWING), 3, rng)
    for round_number in (1, 2):
        train(subject, round_number, [2], lost=[2])

    with pytest.raises(DivergedError, match="device 2"):
        subject.evaluate()
