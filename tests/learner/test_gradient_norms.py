"""Gradient norms of a round against the unsplit model and against the change of an adapter."""

import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, train
from support.unsplit_model import Unsplit, lora_values
from torch.nn import functional

from learner import fedavg_learner
from learner.split_learner import build

DEVICES = 6


@pytest.mark.parametrize("executor", ["batched", "eager"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_split_step_reports_each_gradient_norm_at_the_feature(
    make_settings: Make, executor: str, frozen: bool
) -> None:
    lora = {"rank": 2, "alpha": 4, "targets": ["query"], "frozen": frozen}
    settings = make_settings(executor=executor, lora=lora)
    subject = build(settings, DEVICES, PhiloxStreams(1))
    unsplit = Unsplit(subject, settings, [4, 1])
    samples = subject.parts.samples
    norms = {}
    for device in (1, 4):
        rows = subject.partition.minibatch(device, 1)
        feature = unsplit.pooled(samples.batch(rows)).detach().requires_grad_()
        weight, bias = unsplit.heads[device]
        loss = functional.cross_entropy(feature @ weight.T + bias, samples.labels_of(rows))
        norms[device] = torch.autograd.grad(loss, feature)[0].norm().item()

    result = train(subject, 1, [4, 1], lost=[4])

    assert dict(result.gradient_norms) == pytest.approx(norms, rel=1e-9)
    assert min(norms.values()) > 1e-6, "a norm of 0 would prove nothing"


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_with_local_batches_the_norm_is_the_mean_over_them(
    make_settings: Make, executor: str
) -> None:
    still = {"kind": "sgd", "lr": 1e-12}
    settings = make_settings(
        executor=executor, batch_size=2, local_batches=3, optimizer=still, head_optimizer=still
    )
    subject = build(settings, DEVICES, PhiloxStreams(1))
    unsplit = Unsplit(subject, settings, [2])
    samples = subject.parts.samples
    norms = []
    for rows in subject.partition.minibatch(2, 1).reshape(3, 2):
        feature = unsplit.pooled(samples.batch(rows)).detach().requires_grad_()
        weight, bias = unsplit.heads[2]
        loss = functional.cross_entropy(feature @ weight.T + bias, samples.labels_of(rows))
        norms.append(torch.autograd.grad(loss, feature)[0].norm().item())

    result = train(subject, 1, [2])

    assert result.gradient_norms[2] == pytest.approx(sum(norms) / 3, rel=1e-8)


def test_fedavg_reports_the_norm_of_each_adapters_change(make_settings: Make) -> None:
    subject = fedavg_learner.build(make_settings(), DEVICES, PhiloxStreams(1), local_steps=2)
    before = [matrix for pair in lora_values(subject).values() for matrix in pair]

    # A single device: the shared matrices become its copy.
    norm = train(subject, 1, [3]).gradient_norms[3]
    after = [matrix for pair in lora_values(subject).values() for matrix in pair]

    changes = torch.cat([(new - old).flatten() for new, old in zip(after, before, strict=True)])
    assert norm == pytest.approx(changes.norm().item(), rel=1e-9)
    assert norm > 1e-6


def test_a_lost_adapter_has_a_norm_too(make_settings: Make) -> None:
    lost, arrived = (
        fedavg_learner.build(make_settings(), DEVICES, PhiloxStreams(1), local_steps=2)
        for _ in range(2)
    )

    assert train(lost, 1, [3], lost=[3]).gradient_norms == train(arrived, 1, [3]).gradient_norms
