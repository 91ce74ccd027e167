"""Update rules of the LoRA matrices and of the task heads."""

from collections.abc import Iterable
from typing import Final

import torch
from torch import nn

from learner.settings import AdamW, Sgd

# Where torch's own AdamW keeps its count, so that whoever saves an optimizer's tensors saves the
# schedule's place.
_COUNT: Final = "step"


def create(settings: Sgd | AdamW, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return a fresh optimizer, its step count at 0, for parameters that always learn together."""
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
    """Make one step along the gradients, cut to their norm, at the learning rate of this step, and
    drop them.

    ``number`` is the step's place in the schedule, from 1; by default the optimizer's own count.
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
    """Return the number of steps; 0 for plain gradient descent at a constant rate, which keeps no
    count.
    """
    first = optimizer.param_groups[0]["params"][0]
    return int(optimizer.state.get(first, {}).get(_COUNT, 0))
