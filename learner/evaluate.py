"""Evaluation of every device's head on the shared encoder, over the test set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from learner.errors import DivergedError
from learner.heads import HeadBank

# Maximum number of logits of a chunk of heads.
MAX_LOGITS = 2**22


@final
@dataclass(frozen=True)
class Evaluation:
    """Test loss and accuracy of the devices, each with its own head."""

    loss: float
    """Cross entropy in nat, the mean over all K devices."""
    accuracy: float
    """Share of correct labels, the mean over all K devices."""
    accuracy_trained: float | None
    """Mean accuracy of the devices whose head has trained; None if there are none."""
    accuracy_min: float
    """Accuracy of the worst device."""
    accuracy_max: float
    """Accuracy of the best device."""
    heads_trained: int
    """Number of devices whose head has trained."""
    panel_loss: float | None = None
    """Cross entropy in nat on the panel of training samples; None if it was not computed."""


def evaluate(
    bank: HeadBank, device_count: int, pooled: Float[Tensor, "S H"], labels: Int[Tensor, " S"]
) -> Evaluation:
    """Return the evaluation of all K heads; equal untrained heads are evaluated once.

    Raises:
        DivergedError: the loss of a head is not finite.
    """
    trained = bank.trained
    trained_set = set(trained)
    untrained = [device for device in range(device_count) if device not in trained_set]
    representatives = untrained[:1] if bank.equal_start else untrained
    devices = [*trained, *representatives]
    scores = np.concatenate(
        [
            _score(bank, chunk, pooled, labels=labels)
            for chunk in _chunks(bank, devices, len(labels))
        ]
    )
    for device, loss in zip(devices, scores[:, 0].tolist(), strict=True):
        if not np.isfinite(loss):
            raise DivergedError(device, loss)
    counts = np.ones(len(devices))
    counts[len(trained) :] = len(untrained) / max(len(representatives), 1)
    loss, accuracy = np.average(scores, axis=0, weights=counts).tolist()
    return Evaluation(
        loss=loss,
        accuracy=accuracy,
        accuracy_trained=float(scores[: len(trained), 1].mean()) if trained else None,
        accuracy_min=float(scores[:, 1].min()),
        accuracy_max=float(scores[:, 1].max()),
        heads_trained=len(trained),
    )


@torch.no_grad()
def mean_loss_of_owners(
    bank: HeadBank,
    owners: Int[ndarray, " P"],
    pooled: Float[Tensor, "P H"],
    labels: Int[Tensor, " P"],
) -> float:
    """Return the mean cross entropy in nat of samples, each under the head of its owner.

    Raises:
        DivergedError: the loss of a head is not finite.
    """
    total = 0.0
    for device in np.unique(owners).tolist():
        own = torch.from_numpy(np.flatnonzero(owners == device))
        logits = bank.stack([device]).logits(pooled[own][None])[0].double()
        expected = labels[own].to(logits.device)
        loss = float(functional.cross_entropy(logits, expected, reduction="sum"))
        if not np.isfinite(loss):
            raise DivergedError(device, loss)
        total += loss
    return total / len(owners)


def _chunks(bank: HeadBank, devices: Sequence[int], samples: int) -> Iterator[Sequence[int]]:
    size = max(1, MAX_LOGITS // (samples * bank.classes))
    for start in range(0, len(devices), size):
        yield devices[start : start + size]


@torch.no_grad()
def _score(
    bank: HeadBank, devices: Sequence[int], pooled: Float[Tensor, "S H"], labels: Int[Tensor, " S"]
) -> Float[ndarray, "N 2"]:
    """Return loss and accuracy per head."""
    logits = bank.stack(devices).logits(pooled.expand(len(devices), -1, -1)).double()
    expected = labels.to(logits.device).expand(len(devices), -1)
    # Flattened: for more axes CUDA has no deterministic cross entropy.
    sample_loss = functional.cross_entropy(
        logits.flatten(0, 1), expected.flatten(), reduction="none"
    )
    loss = sample_loss.view(expected.shape).mean(1)
    accuracy = (logits.argmax(2) == expected).double().mean(1)
    return torch.stack([loss, accuracy], dim=1).cpu().numpy()
