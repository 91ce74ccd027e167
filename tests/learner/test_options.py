"""Learning options: each has its documented effect, with both executors."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, aggregate, arrays, train
from support.unsplit_model import Unsplit, lora_values
from torch import Tensor, nn

from learner import optimizers
from learner.settings import AdamW, LearnerSettings, Sgd
from learner.split_learner import SplitLearner, build

DEVICES = 6
QUERY = {"rank": 2, "alpha": 4, "targets": ["query"]}
UNEQUAL = {"sizes": {"kind": "lognormal", "sigma": 0.4}}
ROUNDS = [([0, 1, 2, 5], [2]), ([3, 1], []), ([4], [4]), ([5, 4, 3, 2, 1, 0], [0, 3]), ([], [])]
EVERYTHING = {
    "weights": "samples",
    "local_batches": 3,
    "batch_size": 2,
    "heads": {"init": "per_device", "train": "all"},
    "optimizer": {
        "kind": "adamw",
        "lr": 0.01,
        "clip_norm": 0.1,
        "schedule": {"kind": "linear", "warmup_steps": 1, "total_steps": 9},
    },
    "head_optimizer": {
        "kind": "sgd",
        "lr": 0.1,
        "momentum": 0.5,
        "clip_norm": 0.2,
        "schedule": {"kind": "inverse_sqrt"},
    },
}


def unequal(settings: LearnerSettings) -> dict[str, object]:
    return settings.data.model_dump() | UNEQUAL


def after_training(settings: LearnerSettings) -> tuple[SplitLearner, list[dict[int, float]]]:
    subject = build(settings, DEVICES, PhiloxStreams(3))
    losses = []
    for round_number, (devices, lost) in enumerate(ROUNDS, start=1):
        losses.append(dict(train(subject, round_number, devices, lost=lost).losses))
    return subject, losses


@pytest.mark.parametrize(
    "options",
    [
        EVERYTHING,
        {"local_batches": 2, "batch_size": 2},
        {"weights": "samples"},
        {"heads": {"train": "none"}},
        {"heads": {"train": "all"}},
    ],
    ids=", ".join,
)
def test_eager_equals_batched_with_every_option(
    make_settings: Make, options: dict[str, object]
) -> None:
    data = unequal(make_settings())

    batched, batched_losses = after_training(
        make_settings(executor="batched", data=data, **options)
    )
    eager, eager_losses = after_training(make_settings(executor="eager", data=data, **options))

    for first, second in zip(batched_losses, eager_losses, strict=True):
        assert first == pytest.approx(second, rel=1e-9)
    for first, second in zip(arrays(batched), arrays(eager), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_local_batches_are_steps_of_the_head_and_one_of_lora(
    make_settings: Make, executor: str
) -> None:
    lr = 0.1
    batches = 3
    settings = make_settings(executor=executor, local_batches=batches, batch_size=2, lora=QUERY)
    subject = build(settings, DEVICES, PhiloxStreams(1))
    train(subject, 1, [0, 1])
    unsplit = Unsplit(subject, settings, [0, 4])
    before = lora_values(subject)
    samples = subject.parts.samples
    total = torch.zeros((), dtype=torch.float64)
    first_losses = {}
    for device in (0, 4):
        losses = []
        for rows in subject.partition.minibatch(device, 2).reshape(batches, 2):
            loss = unsplit.loss(device, samples.batch(rows), samples.labels_of(rows))
            weight, bias = unsplit.heads[device]
            gradients = torch.autograd.grad(loss, (weight, bias), retain_graph=True)
            total = total + loss / (2 * batches)
            losses.append(loss.item())
            # The next batch meets the head after this step, and LoRA as it was.
            unsplit.heads[device] = tuple(
                (old - lr * gradient).detach().requires_grad_()
                for old, gradient in zip((weight, bias), gradients, strict=True)
            )
        first_losses[device] = np.mean(losses)
    total.backward()

    result = train(subject, 2, [0, 4])

    assert dict(result.losses) == pytest.approx(first_losses, rel=1e-9)
    for device in (0, 4):
        stack = subject.parts.bank.stack([device])
        torch.testing.assert_close(stack.weight[0], unsplit.heads[device][0], rtol=1e-9, atol=1e-12)
    for name, pair in lora_values(subject).items():
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True):
            assert reference.grad is not None
            torch.testing.assert_close((old - new) / lr, reference.grad, rtol=1e-7, atol=1e-12)


def test_a_round_sends_all_local_batches_together(make_settings: Make, rng: PhiloxStreams) -> None:
    subject = build(make_settings(local_batches=3, batch_size=2), DEVICES, rng)

    rows = subject.start(0, 1).rows
    bits = subject.leg_bits(0, 1)

    assert len(rows) == len(set(rows.tolist())) == 6
    assert bits["feature"] == 6 * 16 * 32
    assert bits["embedding"] == 6 * int(subject.parts.samples.lengths[rows].max()) * 16 * 32


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_frozen_heads_stay_while_lora_learns(make_settings: Make, executor: str) -> None:
    subject = build(
        make_settings(executor=executor, heads={"train": "none"}), DEVICES, PhiloxStreams(1)
    )
    start = subject.parts.bank.stack(range(DEVICES)).weight

    result = train(subject, 1, [0, 1])

    assert torch.equal(subject.parts.bank.stack(range(DEVICES)).weight, start)
    assert subject.parts.bank.trained == []
    assert set(result.losses) == {0, 1}
    assert all(pair.up.any() for pair in subject.parts.split.adapters)


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_heads_that_all_train_do_so_without_changing_lora(
    make_settings: Make, executor: str
) -> None:
    scheduled, all_heads = (
        build(
            make_settings(executor=executor, heads={"init": "per_device", "train": which}),
            DEVICES,
            PhiloxStreams(1),
        )
        for which in ("scheduled", "all")
    )

    first = train(scheduled, 1, [0, 3], lost=[3])
    second = train(all_heads, 1, [0, 3], lost=[3])

    assert set(first.losses) == {0, 3}
    assert set(second.losses) == set(range(DEVICES))
    assert all_heads.parts.bank.trained == list(range(DEVICES))
    for pair, same in zip(
        lora_values(scheduled).values(), lora_values(all_heads).values(), strict=True
    ):
        for matrix, equal in zip(pair, same, strict=True):
            torch.testing.assert_close(matrix, equal, rtol=1e-9, atol=1e-12)
    for device in (0, 3):
        torch.testing.assert_close(
            scheduled.parts.bank.stack([device]).weight, all_heads.parts.bank.stack([device]).weight
        )


def test_all_heads_train_in_a_round_without_jobs(make_settings: Make) -> None:
    subject = build(make_settings(heads={"train": "all"}), DEVICES, PhiloxStreams(1))

    result = aggregate(subject, 1)

    assert set(result.losses) == set(range(DEVICES))
    assert not any(pair.up.any() for pair in subject.parts.split.adapters)


def test_the_weights_of_the_arrived_add_up_to_one(make_settings: Make) -> None:
    data = unequal(make_settings())
    by_samples = build(make_settings(data=data, weights="samples"), DEVICES, PhiloxStreams(1))
    alike = build(make_settings(data=data), DEVICES, PhiloxStreams(1))

    # Alone, a device counts fully, however many samples it has; together they count by their
    # samples.
    for subject in (by_samples, alike):
        train(subject, 1, [2])
    assert torch.equal(arrays(by_samples)[1], arrays(alike)[1])
    for subject in (by_samples, alike):
        train(subject, 2, [2, 3])
    assert not torch.equal(arrays(by_samples)[1], arrays(alike)[1])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "constant"}, [1, 1, 1, 1, 1, 1, 1]),
        ({"kind": "linear", "total_steps": 4}, [1, 0.75, 0.5, 0.25, 0, 0, 0]),
        ({"kind": "linear", "warmup_steps": 2, "total_steps": 4}, [0.5, 1, 1, 0.5, 0, 0, 0]),
        ({"kind": "linear", "total_steps": 2, "end": 0.2}, [1, 0.6, 0.2, 0.2, 0.2, 0.2, 0.2]),
        ({"kind": "cosine", "total_steps": 4}, [1, 0.853553, 0.5, 0.146447, 0, 0, 0]),
        ({"kind": "inverse_sqrt"}, [1 / math.sqrt(n) for n in range(1, 8)]),
        (
            {"kind": "inverse_sqrt", "warmup_steps": 2},
            [0.5, 1, *(math.sqrt(2 / n) for n in range(3, 8))],
        ),
    ],
    ids=str,
)
def test_a_schedule_follows_the_steps(schedule: dict[str, object], expected: list[float]) -> None:
    rule = Sgd.model_validate({"kind": "sgd", "lr": 0.5, "schedule": schedule})
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = optimizers.create(rule, [parameter])
    moves = []
    for _ in expected:
        before = parameter.item()
        parameter.grad = torch.ones(1, dtype=torch.float64)
        optimizers.step(optimizer, rule)
        moves.append(before - parameter.item())

    assert moves == pytest.approx([0.5 * factor for factor in expected], abs=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_an_optimizer_resumes_from_its_saved_tensors_alone(kind: str) -> None:
    table = {"kind": kind, "lr": 0.1, "schedule": {"kind": "cosine", "total_steps": 9}}
    rule: Sgd | AdamW = (Sgd if kind == "sgd" else AdamW).model_validate(table)

    def advance(optimizer: torch.optim.Optimizer, parameter: Tensor, steps: int) -> None:
        for _ in range(steps):
            parameter.grad = torch.full_like(parameter, 0.5)
            optimizers.step(optimizer, rule)

    whole, first = (nn.Parameter(torch.ones(2)) for _ in range(2))
    advance(optimizers.create(rule, [whole]), whole, 6)
    saved = optimizers.create(rule, [first])
    advance(saved, first, 3)
    second = nn.Parameter(first.detach().clone())
    restored = optimizers.create(rule, [second])
    # Only tensors by name are saved, and neither learning rates nor anything else of the groups.
    groups = restored.state_dict()["param_groups"]
    restored.load_state_dict({"state": saved.state_dict()["state"], "param_groups": groups})
    advance(restored, second, 3)

    assert optimizers.steps_made(restored) == 6
    assert torch.equal(whole, second)


def test_a_gradient_is_clipped_to_its_maximum_norm(make_settings: Make) -> None:
    def moved(**rule: object) -> list[Tensor]:
        settings = make_settings(optimizer={"kind": "sgd", "lr": 1.0, **rule})
        subject = build(settings, DEVICES, PhiloxStreams(1))
        start = arrays(subject)
        train(subject, 1, [0, 1])
        return [new - old for new, old in zip(arrays(subject), start, strict=True)]

    free, cut = moved(), moved(clip_norm=0.01)

    matrices = 2 * 5
    lora_norm = math.sqrt(sum(float(move.norm()) ** 2 for move in cut[:matrices]))
    # torch divides by the norm plus 1e-6.
    assert lora_norm == pytest.approx(0.01, rel=1e-3)
    for device in (0, 1):
        weight, bias = cut[matrices + device], cut[matrices + DEVICES + device]
        assert math.hypot(weight.norm(), bias.norm()) == pytest.approx(0.01, rel=1e-3)
    for first, second in zip(free, cut, strict=True):
        if first.norm() > 0:
            assert float((first * second).sum() / (first.norm() * second.norm())) == pytest.approx(
                1, abs=1e-6
            )


def test_targets_may_be_a_pattern_and_layers_a_choice(make_settings: Make, tiny_data: Path) -> None:
    lora = {"rank": 2, "alpha": 4, "targets": r"encoder\.layer\.\d+\.attention\.self\.(query|key)"}
    pairs = {"rank": 2, "alpha": 4, "targets": ["query", "output.dense"], "layers": [1]}

    pattern, choice = (
        [
            pair.module
            for pair in build(make_settings(lora=table), 2, PhiloxStreams(1)).parts.split.adapters
        ]
        for table in (lora, pairs)
    )

    assert pattern == [
        f"encoder.layer.{layer}.attention.self.{name}"
        for layer in (0, 1)
        for name in ("query", "key")
    ]
    assert choice == [
        f"encoder.layer.1.{name}"
        for name in ("attention.self.query", "attention.output.dense", "output.dense")
    ]
