"""FedAvg of LoRA against the unsplit model: one local step, and a loop over several."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_learner import OVERFLOWING, Make, PhiloxStreams, arrays, train
from support.unsplit_model import Unsplit, lora_values
from torch import Tensor

from learner.errors import DivergedError
from learner.fedavg_learner import FedAvgLearner, build
from learner.settings import LearnerSettings
from learner.split_learner import build as build_split

DEVICES = 6
LR = 0.1
QUERY = {"rank": 2, "alpha": 4, "targets": ["query", "value"]}
SGD = {"kind": "sgd", "lr": LR}
MOMENTUM = {"kind": "sgd", "lr": LR, "momentum": 0.9}
ADAMW = {"kind": "adamw", "lr": 0.01, "weight_decay": 0.1}
SHARES = {"kind": "lognormal", "sigma": 0.4}


def local(settings: LearnerSettings, steps: int, seed: int = 1) -> FedAvgLearner:
    """Return a learner whose B is no longer 0, so that A has a gradient too."""
    subject = build(settings, DEVICES, PhiloxStreams(seed), local_steps=steps)
    train(subject, 1, [0, 1, 2])
    return subject


def lora_of(subject: FedAvgLearner) -> list[Tensor]:
    return [matrix.detach().clone() for pair in lora_values(subject).values() for matrix in pair]


@pytest.mark.parametrize("pooling", ["pooler", "mean"])
@pytest.mark.parametrize("lost", [[], [4], [1, 3, 5]], ids=lambda lost: f"{len(lost)} lost")
def test_one_local_step_follows_the_mean_gradient_of_the_unsplit_model(
    make_settings: Make, pooling: str, lost: list[int]
) -> None:
    devices = [4, 1, 3, 5]
    settings = make_settings(pooling=pooling)
    if pooling == "mean":
        settings = make_settings(pooling=pooling, lora=QUERY)
    subject = local(settings, 1)
    unsplit = Unsplit(subject, settings, devices)
    before = lora_values(subject)
    samples = subject.parts.samples
    batches = {device: subject.partition.minibatch(device, 2) for device in devices}
    losses = {
        device: unsplit.loss(device, samples.batch(rows), samples.labels_of(rows))
        for device, rows in batches.items()
    }

    result = train(subject, 2, devices, lost=lost)

    assert dict(result.losses) == pytest.approx(
        {d: loss.item() for d, loss in losses.items()}, rel=1e-9
    )
    for device, loss in losses.items():
        gradients = torch.autograd.grad(loss, unsplit.heads[device], retain_graph=True)
        stack = subject.parts.bank.stack([device])
        for old, new, gradient in zip(
            unsplit.heads[device], (stack.weight[0], stack.bias[0]), gradients, strict=True
        ):
            torch.testing.assert_close(new, old - LR * gradient, rtol=1e-9, atol=1e-12)
    torch.stack([losses[device] for device in devices if device not in lost]).mean().backward()
    for name, pair in lora_values(subject).items():
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True):
            assert reference.grad is not None
            assert reference.grad.abs().max() > 1e-9, "a gradient of 0 would prove nothing"
            torch.testing.assert_close(new, old - LR * reference.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weights", ["uniform", "samples"])
def test_one_local_step_equals_the_split_step(
    make_settings: Make, tiny_data: Path, weights: str
) -> None:
    data = {"path": str(tiny_data), "sizes": SHARES, "share": 0.1}
    settings = make_settings(weights=weights, data=data, batch_size=2)
    split = build_split(settings, DEVICES, PhiloxStreams(1))
    federated = build(settings, DEVICES, PhiloxStreams(1), local_steps=1)
    assert len(set(split.partition.sizes.tolist())) > 3, "weights by samples must differ"

    for subject in (split, federated):
        for round_number, (devices, lost) in enumerate(
            [([0, 3], []), ([5, 1, 2], [1]), ([4], [4])], start=1
        ):
            train(subject, round_number, devices, lost=lost)

    for first, second in zip(arrays(federated), arrays(split), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", [SGD, MOMENTUM, ADAMW], ids=["sgd", "momentum", "adamw"])
def test_several_local_steps_equal_a_plain_loop_over_the_unsplit_model(
    make_settings: Make, rule: dict[str, object]
) -> None:
    steps = 3
    devices = [4, 1, 3]
    lost = [1]
    settings = make_settings(optimizer=rule, head_optimizer=SGD)
    subject = local(settings, steps)
    copies: list[list[Tensor]] = []
    heads: dict[int, tuple[Tensor, Tensor]] = {}
    for device in devices:
        unsplit = Unsplit(subject, settings, devices)
        lora = [matrix for pair in unsplit.pairs.values() for matrix in pair]
        optimizer = _optimizer(rule, lora)
        rows = subject.partition.minibatch(device, 2)
        assert len(rows) == steps * settings.batch_size == len(set(rows.tolist()))
        for batch in np.split(rows, steps):
            samples = subject.parts.samples
            loss = unsplit.loss(device, samples.batch(batch), samples.labels_of(batch))
            for leaf in (*lora, *unsplit.heads[device]):
                leaf.grad = None
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for leaf in unsplit.heads[device]:
                    leaf.sub_(LR * leaf.grad)
        heads[device] = unsplit.heads[device]
        if device not in lost:
            copies.append([matrix.detach() for matrix in lora])
    expected = [torch.stack(matrices).mean(0) for matrices in zip(*copies, strict=True)]

    train(subject, 2, devices, lost=lost)

    for matrix, mean in zip(lora_of(subject), expected, strict=True):
        torch.testing.assert_close(matrix, mean, rtol=1e-9, atol=1e-12)
    for device, (weight, bias) in heads.items():
        stack = subject.parts.bank.stack([device])
        torch.testing.assert_close(stack.weight[0], weight, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(stack.bias[0], bias, rtol=1e-9, atol=1e-12)


def _optimizer(rule: dict[str, object], leaves: Sequence[Tensor]) -> torch.optim.Optimizer:
    if rule["kind"] == "adamw":
        return torch.optim.AdamW(leaves, lr=0.01, weight_decay=0.1, betas=(0.9, 0.999), eps=1e-8)
    return torch.optim.SGD(leaves, lr=LR, momentum=0.9 if "momentum" in rule else 0.0)


def test_without_an_arrived_adapter_only_the_heads_change(
    make_settings: Make,
) -> None:
    subject = local(make_settings(optimizer=ADAMW), 2)
    bank = subject.parts.bank
    before = lora_of(subject)
    rested = bank.stack([0])
    stepped = bank.stack([3])

    train(subject, 2, [3, 4], lost=[3, 4])

    assert all(torch.equal(new, old) for new, old in zip(lora_of(subject), before, strict=True))
    assert torch.equal(bank.stack([0]).weight, rested.weight)
    assert not torch.equal(bank.stack([3]).weight, stepped.weight)
    assert bank.trained == [0, 1, 2, 3, 4]


def test_the_order_in_which_adapters_arrive_changes_no_bit(make_settings: Make) -> None:
    first, second = (local(make_settings(precision="float32"), 2) for _ in range(2))

    train(first, 2, [5, 0, 3])
    train(second, 2, [0, 3, 5])

    assert all(torch.equal(a, b) for a, b in zip(arrays(first), arrays(second), strict=True))


def test_a_schedule_goes_by_the_local_steps_of_all_rounds(make_settings: Make) -> None:
    # At a rate of 0 from step 6 on: with two local steps, that is the second one of round 3.
    falling = {**SGD, "schedule": {"kind": "linear", "total_steps": 5}}
    subject = local(make_settings(optimizer=falling, head_optimizer=SGD), 2)
    moved = []

    for round_number in (3, 4):
        before = lora_of(subject)
        train(subject, round_number, [0, 2])
        moved.append(
            any(not torch.equal(a, b) for a, b in zip(lora_of(subject), before, strict=True))
        )

    assert moved == [True, False]


@pytest.mark.parametrize("rule", [MOMENTUM, ADAMW], ids=["momentum", "adamw"])
def test_a_restored_state_gives_the_same_bits(
    make_settings: Make, tmp_path: Path, rule: dict[str, object]
) -> None:
    settings = make_settings(optimizer=rule, precision="float32")
    subject = local(settings, 2)
    subject.save(tmp_path / "state")
    again = build(settings, DEVICES, PhiloxStreams(1), local_steps=2)
    again.load(tmp_path / "state")

    for learner in (subject, again):
        train(learner, 2, [1, 4], lost=[4])

    assert all(torch.equal(a, b) for a, b in zip(arrays(again), arrays(subject), strict=True))


def test_a_loss_that_is_not_finite_leaves_the_shared_matrices(
    make_settings: Make,
) -> None:
    settings = make_settings(precision="float32", head_optimizer=OVERFLOWING)
    subject = build(settings, DEVICES, PhiloxStreams(1), local_steps=1)
    for round_number in (1, 2):
        train(subject, round_number, [3], lost=[3])
    before = lora_of(subject)

    with pytest.raises(DivergedError, match="the loss of device 3"):
        train(subject, 3, [2, 3])

    assert all(torch.equal(new, old) for new, old in zip(lora_of(subject), before, strict=True))


def test_an_adapter_has_the_bits_of_its_matrices_and_not_of_a_head(make_settings: Make) -> None:
    subject = build(make_settings(), DEVICES, PhiloxStreams(1), local_steps=1)

    # Rank 2 on query and value of two layers and on the pooler, 16 inputs and 16 outputs each.
    assert subject.leg_bits(0, 1) == {"adapter": 5 * 2 * (16 + 16) * 32}
