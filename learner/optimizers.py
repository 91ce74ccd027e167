"""Optimizers of the LoRA matrices and of the task heads."""

from collections.abc import Iterable
from typing import Final

import torch
from torch import nn

from learner.settings import AdamW, Sgd

# Key of the step count in torch's own AdamW: saving an optimizer's tensors saves the count too.
_COUNT: Final = "step"


def create(settings: Sgd | AdamW, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return a new optimizer, its step count at 0, for parameters that always step together."""
    match settings:
        case Sgd():
            return torch.optim.SGD(parameters, lr=settings.lr, momentum=settings.momentum)
        case AdamW():
            return torch.optim.AdamW(
                parameters,
                lr=settings.lr,
                betas=(settings.beta1, settings.beta2),
                eps=settings.eps,
                weight_decay=settings.weight_decay,
            )


def step(
    optimizer: torch.optim.Optimizer, settings: Sgd | AdamW, number: int | None = None
) -> None:
    """Make one step along the clipped gradients, and drop the gradients.

    ``number`` is the step's number in the schedule, from 1; by default the optimizer's own count.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    number = steps_made(optimizer) + 1 if number is None else number
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * settings.schedule.factor(number)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if isinstance(settings, Sgd) and settings.schedule.kind != "constant":
        optimizer.state[parameters[0]][_COUNT] = torch.tensor(float(number))


def steps_made(optimizer: torch.optim.Optimizer) -> int:
    """Return the step count; 0 for plain gradient descent at a constant rate, which keeps none."""
    first = optimizer.param_groups[0]["params"][0]
    return int(optimizer.state.get(first, {}).get(_COUNT, 0))
