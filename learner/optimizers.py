"""Optimizers of the LoRA matrices and of the task heads."""

from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

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
    optimizer: torch.optim.Optimizer,
    settings: Sgd | AdamW,
    number: int | None = None,
    *,
    copies: bool = False,
) -> None:
    """Make one step along the clipped gradients, and drop the gradients.

    ``number`` is the step's number in the schedule, from 1; by default the optimizer's own count.
    With ``copies`` the first axis of each parameter counts copies, whose gradients are clipped
    apart.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    number = steps_made(optimizer) + 1 if number is None else number
    if settings.clip_norm is not None:
        if copies:
            _clip_copies(parameters, settings.clip_norm)
        else:
            nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * settings.schedule.factor(number)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if isinstance(settings, Sgd) and settings.schedule.kind != "constant":
        optimizer.state[parameters[0]][_COUNT] = torch.tensor(float(number))


@torch.no_grad()
def _clip_copies(parameters: Sequence[Tensor], maximum: float) -> None:
    """Clip the gradients of each copy by their norm, as ``clip_grad_norm_`` does for one."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (maximum / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def steps_made(optimizer: torch.optim.Optimizer) -> int:
    """Return the step count; 0 for plain gradient descent at a constant rate, which keeps none."""
    first = optimizer.param_groups[0]["params"][0]
    return int(optimizer.state.get(first, {}).get(_COUNT, 0))
