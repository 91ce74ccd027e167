"""Weights implied by a trace: (2) to (4) of the paper, one autograd graph per device."""

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from coupling import Scenario
from coupling.simulation.build import build_learner
from learner.split_learner import SplitLearner

Leg = tuple[str, str]
"""Name and direction."""

SPLIT = {
    "learner__precision": "float64",
    "learner__evaluate_every": 1000,
    "learner__heads": {"init": "per_device"},
}


def learner_of(scenario: Scenario) -> SplitLearner:
    assert scenario.learner is not None
    return build_learner(scenario)


def lora_of(subject: SplitLearner) -> list[Tensor]:
    return [matrix for pair in subject.parts.split.adapters for matrix in (pair.down, pair.up)]


def heads_of(subject: SplitLearner) -> tuple[Tensor, Tensor]:
    stack = subject.parts.bank.stack(range(subject.device_count))
    return stack.weight.detach().clone(), stack.bias.detach().clone()


def stepped_by_hand(
    scenario: Scenario, transfers: pd.DataFrame, *, steps_after: Leg, counts_after: Leg
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return LoRA and heads after one step per delivered device in every round."""
    assert scenario.learner is not None
    subject = learner_of(scenario)
    lr = scenario.learner.optimizer.lr
    lora = lora_of(subject)
    weight, bias = heads_of(subject)
    delivered = transfers[transfers.status == "delivered"]
    for round_number in range(1, scenario.rounds + 1):
        legs = delivered[delivered["round"] == round_number]
        arrived = _devices(legs, counts_after)
        mean = [torch.zeros_like(matrix) for matrix in lora]
        for device in _devices(legs, steps_after):
            rows = subject.partition.minibatch(device, round_number)
            split, samples = subject.parts.split, subject.parts.samples
            pooled = split.encode(split.embed(samples.batch(rows)))
            head = weight[device].clone().requires_grad_(), bias[device].clone().requires_grad_()
            loss = functional.cross_entropy(pooled @ head[0].T + head[1], samples.labels_of(rows))
            *by_lora, by_weight, by_bias = torch.autograd.grad(loss, [*lora, *head])
            weight[device] -= lr * by_weight
            bias[device] -= lr * by_bias
            if device in arrived:
                mean = [
                    total + own / len(arrived) for total, own in zip(mean, by_lora, strict=True)
                ]
        with torch.no_grad():
            for matrix, gradient in zip(lora, mean, strict=True):
                matrix.sub_(lr * gradient)
    return lora, weight, bias


def _devices(legs: pd.DataFrame, leg: Leg) -> list[int]:
    return legs[(legs.leg == leg[0]) & (legs.direction == leg[1])].device.tolist()


def assert_weights(subject: SplitLearner, expected: tuple[list[Tensor], Tensor, Tensor]) -> None:
    lora, weight, bias = expected
    for matrix, by_hand in zip(lora_of(subject), lora, strict=True):
        torch.testing.assert_close(matrix, by_hand, rtol=1e-9, atol=1e-14)
    heads = heads_of(subject)
    torch.testing.assert_close(heads[0], weight, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(heads[1], bias, rtol=1e-9, atol=1e-14)
