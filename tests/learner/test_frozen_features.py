"""Features behind a frozen or unchanged encoder: computed once, with the same result."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, arrays, train

from learner import centralised
from learner.aggregation import build_aggregator
from learner.executor import frozen_features
from learner.settings import LearnerSettings
from learner.split import Split
from learner.split_learner import SplitLearner, build

DEVICES = 6
FROZEN = {"rank": 2, "alpha": 4, "targets": ["query"], "frozen": True}
LEARNING = FROZEN | {"frozen": False}
ROUNDS = [([0, 1, 2, 5], [2]), ([3, 1], []), ([4, 0, 1], [4]), ([0, 1, 2], [])]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of the numbers of samples that pass an encoder."""
    counts: list[int] = []
    encode = Split.encode

    def counted(self: Split, embedded: Any, *others: Any) -> torch.Tensor:
        counts.append(len(embedded.hidden))
        return encode(self, embedded, *others)

    monkeypatch.setattr(Split, "encode", counted)
    return counts


def after_training(settings: LearnerSettings) -> tuple[SplitLearner, list[float]]:
    subject = build(settings, DEVICES, PhiloxStreams(3))
    losses: list[float] = []
    for number, (devices, lost) in enumerate(ROUNDS, start=1):
        losses += train(subject, number, devices, lost=lost).losses.values()
    return subject, losses


@pytest.mark.parametrize("heads", ["scheduled", "all"])
def test_frozen_features_are_computed_once_and_heads_learn_the_same(
    make_settings: Make, passes: list[int], heads: str
) -> None:
    changes = {"lora": FROZEN, "heads": {"init": "per_device", "train": heads}, "batch_size": 8}
    kept, losses = after_training(make_settings(**changes))
    computed = sum(passes)
    again, plain_losses = after_training(make_settings(**changes, executor="eager"))

    assert losses == pytest.approx(plain_losses, rel=1e-10)
    for first, second in zip(arrays(kept), arrays(again), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)
    trained = range(DEVICES) if heads == "all" else None
    met = np.concatenate(
        [
            kept.partition.minibatch(device, number)
            for number, (devices, _) in enumerate(ROUNDS, start=1)
            for device in trained or devices
        ]
    )
    # One sample passes when the model is built.
    assert computed == 1 + len(np.unique(met)) < len(met)


def test_the_server_computes_uploaded_samples_once_behind_frozen_adapters(
    make_settings: Make, passes: list[int]
) -> None:
    losses = {}
    for executor in ("batched", "eager"):
        settings = make_settings(lora=FROZEN, batch_size=16, executor=executor)
        subject = centralised.build(settings, DEVICES, PhiloxStreams(3))
        for device in (1, 2):
            subject.delivered(subject.start(device, 1), "data")
        passes.clear()
        losses[executor] = [
            subject.aggregate(build_aggregator(settings), number).train_loss
            for number in range(1, 6)
        ]
        uploaded = subject.partition.sizes[[1, 2]].sum()
        assert sum(passes) <= uploaded or executor == "eager"

    assert losses["batched"] == pytest.approx(losses["eager"], rel=1e-10)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_gets_the_same_bits_behind_a_frozen_encoder(
    make_settings: Make, tmp_path: Path, precision: str
) -> None:
    settings = make_settings(lora=FROZEN, batch_size=8, precision=precision, deterministic=True)
    whole = build(settings, DEVICES, PhiloxStreams(3))
    losses = []
    for number, (devices, lost) in enumerate(ROUNDS, start=1):
        if number == len(ROUNDS):
            whole.save(tmp_path / "state")
        losses.append(dict(train(whole, number, devices, lost=lost).losses))
    resumed = build(settings, DEVICES, PhiloxStreams(3))
    resumed.load(tmp_path / "state")
    devices, lost = ROUNDS[-1]

    last = train(resumed, len(ROUNDS), devices, lost=lost)

    assert dict(last.losses) == losses[-1]
    assert all(map(torch.equal, arrays(resumed), arrays(whole)))


def test_a_round_that_is_undone_leaves_no_trace_in_the_features(make_settings: Make) -> None:
    settings = make_settings(lora=FROZEN, precision="float32", batch_size=8)
    straight, undone = (build(settings, DEVICES, PhiloxStreams(3)) for _ in range(2))
    for subject in (straight, undone):
        train(subject, 1, [0, 1])
    undo = undone.restore_point()
    train(undone, 2, [1, 3, 4, 5])
    undo()

    for subject in (straight, undone):
        train(subject, 2, [1, 2])

    assert all(map(torch.equal, arrays(undone), arrays(straight)))
    first, second = (subject.parts.frozen_features for subject in (straight, undone))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.first_round, second.first_round)


def test_an_evaluation_is_computed_again_only_after_lora_has_changed(
    make_settings: Make, passes: list[int]
) -> None:
    subject = build(make_settings(lora=LEARNING, precision="float32"), DEVICES, PhiloxStreams(3))
    rounds = [([0, 1], []), ([2, 3], [2, 3]), ([4], [])]
    for number, (devices, lost) in enumerate(rounds, start=1):
        train(subject, number, devices, lost=lost)
        fresh = build(subject.settings, DEVICES, PhiloxStreams(3))
        passes.clear()
        result = subject.evaluate()
        assert bool(passes) == (number != 2)
        # A copy that has never been evaluated gives the same bits.
        fresh.parts.bank._trained = subject.parts.bank._trained
        with torch.no_grad():
            for copy, matrix in zip(fresh.parts.matrices, subject.parts.matrices, strict=True):
                copy.copy_(matrix)
        assert fresh.evaluate() == result


@pytest.mark.parametrize("leg", ["embedding", "feature"])
def test_features_are_not_kept_where_a_codec_acts_on_them(
    make_settings: Make, passes: list[int], leg: str
) -> None:
    settings = make_settings(lora=FROZEN, codec={leg: {"kind": "int8"}})
    subject = build(settings, DEVICES, PhiloxStreams(3))

    assert subject.parts.frozen_features is None
    for _ in range(2):
        passes.clear()
        subject.evaluate()
        assert passes


def test_features_without_room_are_not_kept(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 120 samples, features of 16 numbers of 8 bytes.
    monkeypatch.setattr(frozen_features, "MAXIMUM_BYTES", 120 * 16 * 8 - 1)
    assert build(make_settings(lora=FROZEN), 2, PhiloxStreams(1)).parts.frozen_features is None
    monkeypatch.setattr(frozen_features, "MAXIMUM_BYTES", 120 * 16 * 8)
    assert build(make_settings(lora=FROZEN), 2, PhiloxStreams(1)).parts.frozen_features is not None
