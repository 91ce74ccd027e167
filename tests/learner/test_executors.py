"""Executors: the batched one gives the results of the eager one."""

import pytest
import torch
from support.tiny_learner import OVERFLOWING, Make, PhiloxStreams, aggregate, arrays, train

from learner.errors import DivergedError
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build

DEVICES = 6
ROUNDS = [([0, 1, 2, 5], [2]), ([3, 1], []), ([4], [4]), ([5, 4, 3, 2, 1, 0], [0, 3]), ([], [])]


def after_training(settings: LearnerSettings) -> tuple[SplitLearner, list[dict[int, float]]]:
    subject = build(settings, DEVICES, PhiloxStreams(3))
    losses = [
        dict(train(subject, round_number, devices, lost=lost).losses)
        for round_number, (devices, lost) in enumerate(ROUNDS, start=1)
    ]
    return subject, losses


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "lr": 0.1, "momentum": 0.9},
        {"kind": "adamw", "lr": 0.01, "weight_decay": 0.1},
    ],
    ids=["sgd", "adamw"],
)
def test_eager_equals_batched_in_float64(make_settings: Make, optimizer: dict[str, object]) -> None:
    batched, batched_losses = after_training(make_settings(executor="batched", optimizer=optimizer))
    eager, eager_losses = after_training(make_settings(executor="eager", optimizer=optimizer))

    for first, second in zip(batched_losses, eager_losses, strict=True):
        assert first == pytest.approx(second, rel=1e-9)
    for first, second in zip(arrays(batched), arrays(eager), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)
    assert batched.evaluate().loss == pytest.approx(eager.evaluate().loss, rel=1e-9)


def test_eager_equals_batched_in_float32_by_norm(make_settings: Make) -> None:
    batched, _ = after_training(make_settings(executor="batched", precision="float32"))
    eager, _ = after_training(make_settings(executor="eager", precision="float32"))

    for first, second in zip(arrays(batched), arrays(eager), strict=True):
        assert (first - second).norm() <= 1e-5 * second.norm()


def test_the_size_of_micro_batches_changes_nothing(make_settings: Make) -> None:
    small, _ = after_training(make_settings(micro_batch_tokens=1))
    large, _ = after_training(make_settings(micro_batch_tokens=100_000))

    for first, second in zip(arrays(small), arrays(large), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_an_unscheduled_head_is_bit_identical_after_100_adamw_rounds(
    make_settings: Make, rng: PhiloxStreams, executor: str
) -> None:
    optimizer = {"kind": "adamw", "lr": 0.01, "weight_decay": 0.1}
    settings = make_settings(executor=executor, optimizer=optimizer, batch_size=1)
    subject = build(settings, 3, rng)
    train(subject, 1, [0, 1])
    bank = subject.parts.bank
    rested, untrained, busy = (bank.stack([device]) for device in (0, 2, 1))

    for round_number in range(2, 102):
        train(subject, round_number, [1])

    assert torch.equal(bank.stack([0]).weight, rested.weight)
    assert torch.equal(bank.stack([0]).bias, rested.bias)
    assert torch.equal(bank.stack([2]).weight, untrained.weight)
    assert not torch.equal(bank.stack([1]).weight, busy.weight)
    assert bank.trained == [0, 1]


def test_a_head_that_rested_steps_as_if_no_time_had_passed(make_settings: Make) -> None:
    frozen = {"rank": 2, "alpha": 4, "targets": ["query"], "frozen": True}
    settings = make_settings(
        lora=frozen, optimizer={"kind": "adamw", "lr": 0.01, "weight_decay": 0.1}
    )
    resting, waiting = (build(settings, 3, PhiloxStreams(1)) for _ in range(2))
    for subject in (resting, waiting):
        train(subject, 1, [0])

    for round_number in range(2, 30):
        train(resting, round_number, [1])
    for subject in (resting, waiting):
        train(subject, 30, [0])

    assert torch.equal(resting.parts.bank.stack([0]).weight, waiting.parts.bank.stack([0]).weight)


def test_a_head_created_late_starts_like_one_created_early(make_settings: Make) -> None:
    early, late = (build(make_settings(batch_size=1), 3, PhiloxStreams(1)) for _ in range(2))
    start = early.parts.bank.stack([2])

    for round_number in range(1, 5):
        train(late, round_number, [0])

    assert torch.equal(late.parts.bank.stack([2]).weight, start.weight)


def test_heads_start_equal_or_each_with_its_own(make_settings: Make, rng: PhiloxStreams) -> None:
    equal = build(make_settings(heads={"init": "equal"}), 3, rng).parts.bank.stack([0, 1]).weight
    own = build(make_settings(heads={"init": "per_device"}), 3, rng).parts.bank.stack([0, 1]).weight

    assert torch.equal(equal[0], equal[1])
    assert not torch.equal(own[0], own[1])


def test_a_frozen_lora_stays_while_the_heads_learn(make_settings: Make, rng: PhiloxStreams) -> None:
    lora = {"rank": 2, "alpha": 4, "targets": ["query"], "frozen": True}
    for executor in ("batched", "eager"):
        subject = build(make_settings(lora=lora, executor=executor), 3, rng)
        start = subject.parts.bank.stack([0]).weight
        down = subject.parts.split.adapters[0].down.clone()

        train(subject, 1, [0, 1])

        assert subject.trainable_parameters == 0
        assert torch.equal(subject.parts.split.adapters[0].down, down)
        assert not subject.parts.split.adapters[0].up.any()
        assert not torch.equal(subject.parts.bank.stack([0]).weight, start)


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_a_loss_that_is_not_finite_names_the_device_and_leaves_lora(
    make_settings: Make, rng: PhiloxStreams, executor: str
) -> None:
    settings = make_settings(executor=executor, precision="float32", head_optimizer=OVERFLOWING)
    subject = build(settings, 6, rng)
    for round_number in (1, 2):
        train(subject, round_number, [3], lost=[3])
    before = [matrix.clone() for matrix in arrays(subject)]

    with pytest.raises(
        DivergedError, match=r"the loss of device 3 became (nan|inf); lower the learning rates"
    ):
        train(subject, 3, [2, 3])

    lora = 2 * len(subject.parts.split.adapters)
    for now, then in zip(arrays(subject)[:lora], before[:lora], strict=True):
        assert torch.equal(now, then)


def test_nothing_is_drawn_from_the_global_generators(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    state = torch.random.get_rng_state()

    subject = build(make_settings(), 6, rng)
    train(subject, 1, [0, 1])
    subject.evaluate()

    assert torch.equal(torch.random.get_rng_state(), state)


def test_two_learners_of_one_seed_are_equal_and_of_two_seeds_are_not(make_settings: Make) -> None:
    first, same, second = (build(make_settings(), 6, PhiloxStreams(seed)) for seed in (1, 1, 2))

    for subject in (first, same, second):
        train(subject, 1, [0, 1])

    for a, b in zip(arrays(first), arrays(same), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(arrays(first)[0], arrays(second)[0])


def test_a_round_without_jobs_has_no_loss(make_settings: Make, rng: PhiloxStreams) -> None:
    result = aggregate(build(make_settings(), 6, rng), 1)

    assert result.losses == {}
    assert result.train_loss is None
