"""Centralised training: LoRA steps of the server on the data that has arrived."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams
from support.tiny_models import save_model, save_pictures
from support.unsplit_model import Unsplit, lora_values

from learner import centralised
from learner.aggregation import MeanAggregator
from learner.centralised import CentralisedLearner
from learner.errors import StateError

DEVICES = 6
LR = 0.1


def make(make_settings: Make, **changes: object) -> CentralisedLearner:
    return centralised.build(make_settings(**changes), DEVICES, PhiloxStreams(1))


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_a_round_is_a_step_along_the_gradient_of_the_unsplit_model(
    make_settings: Make, executor: str
) -> None:
    settings = make_settings(executor=executor)
    subject = centralised.build(settings, DEVICES, PhiloxStreams(1))
    for device in (4, 1):
        subject.delivered(subject.start(device, 1), "data")
    subject.aggregate(MeanAggregator(), 1)
    unsplit = Unsplit(subject, settings, [0])
    before = lora_values(subject)
    samples = subject.parts.samples
    rows = subject._uploaded.minibatch(0, 2)
    loss = unsplit.loss(0, samples.batch(rows), samples.labels_of(rows))
    loss.backward()

    result = subject.aggregate(MeanAggregator(), 2)

    assert result.losses == {}, "no device has trained"
    assert result.train_loss == pytest.approx(loss.item(), rel=1e-9)
    for name, pair in lora_values(subject).items():
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True):
            assert reference.grad.abs().max() > 1e-9, "a gradient of 0 would prove nothing"
            torch.testing.assert_close(new, old - LR * reference.grad, rtol=1e-9, atol=1e-12)
    head = subject.parts.bank.stack([0])
    for new, reference in zip((head.weight[0], head.bias[0]), unsplit.heads[0], strict=True):
        torch.testing.assert_close(
            new, reference.detach() - LR * reference.grad, rtol=1e-9, atol=1e-12
        )
    assert subject.parts.bank.trained == [0]


def test_minibatches_come_from_the_data_that_arrived_in_whatever_order(make_settings: Make) -> None:
    first, second = make(make_settings), make(make_settings)
    for subject, order in ((first, (5, 2)), (second, (2, 5))):
        for device in order:
            subject.delivered(subject.start(device, 1), "data")
    held = {int(row) for device in (2, 5) for row in first.partition.share(device)}

    seen = set()
    for round_number in range(1, 60):
        rows = first._uploaded.minibatch(0, round_number)
        assert len(set(rows.tolist())) == 4
        np.testing.assert_array_equal(rows, second._uploaded.minibatch(0, round_number))
        seen |= set(rows.tolist())
    assert seen == held


def test_without_data_there_is_no_step(make_settings: Make) -> None:
    subject = make(make_settings)
    before = lora_values(subject)

    result = subject.aggregate(MeanAggregator(), 1)

    assert (result.losses, result.train_loss) == ({}, None)
    assert subject.evaluate().heads_trained == 0
    for name, pair in lora_values(subject).items():
        assert all(torch.equal(new, old) for new, old in zip(pair, before[name], strict=True))


def test_a_restored_state_gives_the_same_bits_with_the_same_data(
    make_settings: Make, tmp_path: Path
) -> None:
    adamw = {"kind": "adamw", "lr": 0.01}
    subject, again = (make(make_settings, optimizer=adamw, precision="float32") for _ in range(2))
    subject.delivered(subject.start(3, 1), "data")
    subject.aggregate(MeanAggregator(), 1)
    subject.save(tmp_path / "state")
    again.load(tmp_path / "state")

    losses = [learner.aggregate(MeanAggregator(), 2).train_loss for learner in (subject, again)]

    assert losses[0] == losses[1]
    assert lora_values(again).keys() == lora_values(subject).keys()
    for name, pair in lora_values(again).items():
        assert all(torch.equal(a, b) for a, b in zip(pair, lora_values(subject)[name], strict=True))


@pytest.mark.parametrize("content", ["", "{", "{}", "[6]", "[-1]", '["3"]', "[true]"])
def test_a_damaged_list_of_uploaded_shares_is_reported(
    make_settings: Make, tmp_path: Path, content: str
) -> None:
    subject = make(make_settings)
    subject.save(tmp_path / "state")
    (tmp_path / "state" / "received.json").write_text(content)

    with pytest.raises(StateError, match=r"received.json: is "):
        subject.load(tmp_path / "state")


def test_a_share_of_text_has_the_bits_of_its_tokens_and_labels(make_settings: Make) -> None:
    subject = make(make_settings)
    share = subject.partition.share(2)

    # 65 words and 3 classes: a byte each.
    assert len(share) == 20
    assert (
        subject.leg_bits(2, 1)["data"]
        == 8 * int(subject.parts.samples.lengths[share].sum()) + 8 * 20
    )


def test_a_share_of_images_has_the_bits_of_its_files_and_labels(
    make_settings: Make, tmp_path: Path
) -> None:
    pictures = save_pictures(tmp_path / "pictures")
    changes = {
        "model": str(save_model(tmp_path / "vit", "vit")),
        "data": {"path": str(pictures)},
        "pooling": "cls",
        "lora": {"rank": 2, "alpha": 4},
    }
    subject = make(make_settings, **changes)
    share = subject.partition.share(1)

    files = sum(len(subject.parts.samples.encoded[row]) for row in share)
    assert files > 20 * 60
    assert subject.leg_bits(1, 1)["data"] == 8 * files + 8 * 20
