"""Update rules of the LoRA matrices and of the task heads."""

from collections.abc import Iterable

import torch
from torch import nn

from learner.settings import AdamW, Sgd


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
