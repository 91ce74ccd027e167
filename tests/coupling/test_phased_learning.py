"""The keystone in time: whatever the radio loses, the weights are those of the unsplit steps of what arrived."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from phases import go, phased
from torch import Tensor
from torch.nn import functional

from coupling import Scenario
from coupling.learning import Learning
from coupling.world import World
from learner.learner import Learner, build

SPLIT = {
    "learner__precision": "float64",
    "learner__evaluate_every": 1000,
    "learner__heads": {"init": "per_device"},
}


def learner_of(scenario: Scenario) -> Learner:
    assert scenario.learner is not None
    return build(scenario.learner, scenario.devices.count, World(scenario).streams.generator)


def lora_of(subject: Learner) -> list[Tensor]:
    return [matrix for pair in subject.parts.split.adapters for matrix in (pair.down, pair.up)]


def heads_of(subject: Learner) -> tuple[Tensor, Tensor]:
    stack = subject.parts.bank.stack(range(subject.device_count))
    return stack.weight.detach().clone(), stack.bias.detach().clone()


def stepped_by_hand(scenario: Scenario, transfers: pd.DataFrame) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return LoRA and heads after all rounds, from the trace: (2) to (4) written out, one graph a device."""
    assert scenario.learner is not None
    subject, lr = learner_of(scenario), scenario.learner.optimizer.lr
    lora, (weight, bias) = lora_of(subject), heads_of(subject)
    delivered = transfers[transfers.status == "delivered"]
    for number in range(1, scenario.rounds + 1):
        legs = delivered[delivered["round"] == number]
        arrived = legs[legs.leg == "gradient"].device.tolist()
        mean = [torch.zeros_like(matrix) for matrix in lora]
        for device in legs[legs.leg == "feature"].device.tolist():
            rows = subject.partition.minibatch(device, number)
            split, samples = subject.parts.split, subject.parts.samples
            pooled = split.encode(split.embed(samples.batch(rows)))
            head = weight[device].clone().requires_grad_(), bias[device].clone().requires_grad_()
            loss = functional.cross_entropy(pooled @ head[0].T + head[1], samples.labels_of(rows))
            *by_lora, by_weight, by_bias = torch.autograd.grad(loss, [*lora, *head])
            weight[device] -= lr * by_weight
            bias[device] -= lr * by_bias
            if device in arrived:
                mean = [total + own / len(arrived) for total, own in zip(mean, by_lora, strict=True)]
        with torch.no_grad():
            for matrix, gradient in zip(lora, mean, strict=True):
                matrix.sub_(lr * gradient)
    return lora, weight, bias


def test_lost_gradients_leave_the_weights_of_what_arrived(tmp_path: Path, tiny_learner: str) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        protocol__payload_bit={"embedding": 20_000_000, "feature": 20_000_000, "gradient": 20_000_000},
        channel__coherence=1.0,
        protocol__deadline_s=45.0,
        **SPLIT,
    )
    subject = learner_of(scenario)

    go(scenario, tmp_path, Learning(subject))

    rounds = pd.read_parquet(tmp_path / "rounds")
    transfers = pd.read_parquet(tmp_path / "transfers")
    late = transfers[transfers.status == "late"]
    assert set(late.leg) == {"embedding", "feature", "gradient"}, "every leg must be lost somewhere"
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    lora, weight, bias = stepped_by_hand(scenario, transfers)
    for matrix, expected in zip(lora_of(subject), lora, strict=True):
        torch.testing.assert_close(matrix, expected, rtol=1e-9, atol=1e-14)
    after = heads_of(subject)
    torch.testing.assert_close(after[0], weight, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(after[1], bias, rtol=1e-9, atol=1e-14)
    start = heads_of(learner_of(scenario))
    moved = {device for device in range(4) if not torch.equal(after[0][device], start[0][device])}
    assert moved == set(transfers[(transfers.leg == "feature") & (transfers.status == "delivered")].device)


def test_a_round_in_which_no_gradient_arrives_changes_no_lora_matrix(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path, tiny_learner, rounds=3, scheduler__kind="all_in", protocol__deadline_s=1e-3, **SPLIT
    )
    subject = learner_of(scenario)
    before = [matrix.detach().clone() for matrix in lora_of(subject)], heads_of(subject)

    go(scenario, tmp_path, Learning(subject))

    rounds = pd.read_parquet(tmp_path / "rounds")
    assert (rounds.arrived == 0).all()
    assert rounds.train_loss.isna().all()
    assert all(torch.equal(old, new) for old, new in zip(before[0], lora_of(subject), strict=True))
    assert all(torch.equal(old, new) for old, new in zip(before[1], heads_of(subject), strict=True))


def test_actual_payloads_are_those_of_the_minibatches(tmp_path: Path, tiny_learner: str) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=3,
        protocol__payload_bit="actual",
        scheduler={"kind": "all_in", "delay_budget_s": 1.0},
        **SPLIT,
    )
    subject = learner_of(scenario)

    go(scenario, tmp_path, Learning(subject))

    transfers = pd.read_parquet(tmp_path / "transfers")
    hidden = 16
    for row in transfers.itertuples():
        rows = subject.partition.minibatch(row.device, row.round)
        tokens = subject.parts.samples.lengths[rows].max() if row.leg == "embedding" else 1
        assert row.bits == len(rows) * tokens * hidden * 32
    assert np.unique(transfers[transfers.leg == "embedding"].bits).size > 1
