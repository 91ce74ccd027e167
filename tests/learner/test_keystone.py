"""Keystone: a split round gives the gradients of the unsplit model."""

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, aggregate, train
from support.unsplit_model import Unsplit, lora_values

from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build

LR = 0.1


def warmed_up(settings: LearnerSettings, rng: PhiloxStreams) -> SplitLearner:
    """Return a learner whose B is no longer 0, so that A has a gradient too."""
    subject = build(settings, 6, rng)
    train(subject, 1, [0, 1, 2])
    return subject


@pytest.mark.parametrize(
    ("executor", "attention"), [("batched", "sdpa"), ("eager", "sdpa"), ("batched", "plain")]
)
@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
@pytest.mark.parametrize(
    "lost", [[], [4], [1, 4], [1, 3, 4, 5]], ids=lambda lost: f"{len(lost)} lost"
)
def test_a_round_steps_along_the_gradients_of_the_unsplit_model(
    make_settings: Make,
    rng: PhiloxStreams,
    executor: str,
    attention: str,
    pooling: str,
    lost: list[int],
) -> None:
    devices = [4, 1, 3, 5]
    targets = ["query", "value", *(["pooler.dense"] if pooling == "pooler" else [])]
    settings = make_settings(
        pooling=pooling,
        executor=executor,
        attention=attention,
        lora={"rank": 2, "alpha": 4, "targets": targets},
    )
    subject = warmed_up(settings, rng)
    unsplit = Unsplit(subject, settings, devices)
    before = lora_values(subject)
    jobs = {device: subject.start(device, 2).rows for device in devices}
    aggregate(subject, 2)
    samples = subject.parts.samples
    assert len({int(n) for rows in jobs.values() for n in samples.lengths[rows]}) > 4, (
        "needs padding"
    )
    losses = {
        device: unsplit.loss(device, samples.batch(rows), samples.labels_of(rows))
        for device, rows in jobs.items()
    }
    arrived = [device for device in devices if device not in lost]

    result = train(subject, 2, devices, lost=lost)

    assert dict(result.losses) == pytest.approx(
        {d: loss.item() for d, loss in losses.items()}, rel=1e-9
    )
    assert result.train_loss == pytest.approx(
        np.mean([loss.item() for loss in losses.values()]), rel=1e-9
    )
    for device, loss in losses.items():
        gradients = torch.autograd.grad(loss, unsplit.heads[device], retain_graph=True)
        stack = subject.parts.bank.stack([device])
        for old, new, gradient in zip(
            unsplit.heads[device], (stack.weight[0], stack.bias[0]), gradients, strict=True
        ):
            torch.testing.assert_close(new, old - LR * gradient, rtol=1e-9, atol=1e-12)
    if arrived:
        mean = torch.stack([losses[device] for device in arrived]).mean()
        mean.backward()
    for name, pair in lora_values(subject).items():
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True):
            if not arrived:
                assert torch.equal(new, old)
                continue
            assert reference.grad is not None
            assert reference.grad.abs().max() > 1e-9, "a gradient of 0 would prove nothing"
            torch.testing.assert_close((old - new) / LR, reference.grad, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
def test_the_keystone_holds_in_bfloat16_to_its_unit_roundoff(
    make_settings: Make, rng: PhiloxStreams, attention: str
) -> None:
    # Eight bits of precision: each rounding errs by at most 2^-8 of the number.
    roundoff = 2.0**-8
    # Forward and backward: six linear layers and two products of attention in each of two layers.
    roundings = 2 * 2 * (6 + 2)
    devices = [4, 1, 3, 5]
    lora = {"rank": 2, "alpha": 4, "targets": ["query", "value"]}
    changes = {"pooling": "mean", "lora": lora, "attention": attention}
    settings = make_settings(precision="bfloat16", **changes)
    subject = warmed_up(settings, rng)
    unsplit = Unsplit(subject, settings, devices)
    before = lora_values(subject)
    samples = subject.parts.samples
    batches = {device: subject.partition.minibatch(device, 2) for device in devices}
    losses = [
        unsplit.loss(device, samples.batch(rows), samples.labels_of(rows))
        for device, rows in batches.items()
    ]
    torch.stack(losses).mean().backward()

    result = train(subject, 2, devices)

    steps = [
        ((old - new).flatten() / LR, reference.grad.flatten())
        for name, pair in lora_values(subject).items()
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True)
        if reference.grad is not None
    ]
    own, exact = (torch.cat([pair[side] for pair in steps]) for side in range(2))
    assert len(steps) == 8
    assert (own - exact).norm() <= roundings * roundoff * exact.norm()
    assert (own - exact).norm() > roundoff / 8 * exact.norm(), "products are in bfloat16"
    # Only the forward pass is behind a loss, and its sum over classes is a float32 one.
    assert list(result.losses.values()) == pytest.approx(
        [losses[devices.index(device)].item() for device in result.losses],
        rel=roundings / 2 * roundoff,
    )


def test_the_gradient_for_the_server_is_taken_at_the_head_before_its_step(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    steep = make_settings(executor="eager", head_optimizer={"kind": "sgd", "lr": 100.0})
    level = make_settings(executor="eager", head_optimizer={"kind": "sgd", "lr": 1e-9})
    subjects = [build(settings, 6, rng) for settings in (steep, level)]

    for subject in subjects:
        train(subject, 1, [0, 1])

    for first, second in zip(*(subject.parts.split.adapters for subject in subjects), strict=True):
        assert torch.equal(first.up, second.up)


def test_a_job_whose_feature_is_lost_changes_nothing(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    for executor in ("batched", "eager"):
        alone, disturbed = (build(make_settings(executor=executor), 6, rng) for _ in range(2))

        train(alone, 1, [0, 1])
        disturbed.computed(disturbed.start(2, 1), "embed")
        job = disturbed.start(3, 1)
        disturbed.computed(job, "embed")
        disturbed.computed(job, "encode")
        train(disturbed, 1, [0, 1])

        assert disturbed.parts.bank.trained == [0, 1]
        for first, second in zip(
            alone.parts.split.adapters, disturbed.parts.split.adapters, strict=True
        ):
            assert torch.equal(first.up, second.up)
