"""The pre-trained model, cut in two: the embedding on the devices, encoder and pooling on the
server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never, final

import torch
from jaxtyping import Float
from torch import Tensor

from learner.architectures import CutActivations, SplitArchitecture
from learner.architectures.base import Batch
from learner.lora import Adapter
from learner.precision import Precision

Pooling = Literal["pooler", "cls", "mean", "cls_mean"]


@final
@dataclass(frozen=True, eq=False)
class Split:
    """Both sides of the cut; ``encode(embed(batch))`` is the unsplit model's pooled output.

    The embedding is frozen, so its gradient is never formed. Whether ``encode`` records a graph for
    the LoRA gradient is the caller's choice, as everywhere in torch.
    """

    family: SplitArchitecture
    model: Any
    pooling: Pooling
    adapters: list[Adapter]
    precision: Precision
    compiled: Callable[[Any, CutActivations], Tensor] | None = None
    """The family's ``encode``, compiled; None where it runs as it is written."""

    @property
    def embedding_width(self) -> int:
        """Numbers E of an embedded token."""
        return self.family.width(self.model.config)

    @property
    def feature_width(self) -> int:
        """Numbers H of the pooled output of a sample."""
        return int(self.model.config.hidden_size) * (2 if self.pooling == "cls_mean" else 1)

    @property
    def trainable_parameters(self) -> int:
        """Numbers that the server's steps change; 0 where LoRA is frozen."""
        return sum(
            matrix.numel()
            for pair in self.adapters
            for matrix in (pair.down, pair.up)
            if matrix.requires_grad
        )

    @torch.no_grad()
    def embed(self, batch: Batch) -> CutActivations:
        """Return what a device computes and sends."""
        precision = self.precision
        there = {name: values.to(precision.device) for name, values in batch.items()}
        with precision.autocast():
            embedded = self.family.embed(self.model, there)
        return CutActivations(embedded.hidden.to(precision.dtype), embedded.mask)

    def encode(self, embedded: CutActivations) -> Float[Tensor, "B H"]:
        """Return the pooled output of the server's part, the feature that goes back to the
        device.
        """
        through = self.compiled or self.family.encode
        with self.precision.autocast():
            pooled = self._pool(through(self.model, embedded), embedded)
        return pooled.to(self.precision.dtype)

    def _pool(
        self, states: Float[Tensor, "B L W"], embedded: CutActivations
    ) -> Float[Tensor, "B H"]:
        match self.pooling:
            case "pooler":
                return self.family.pool(self.model, states)
            case "cls":
                return states[:, 0]
            case "mean":
                return self._mean(states, embedded)
            case "cls_mean":
                return torch.cat([states[:, 0], self._mean(states, embedded)], dim=1)
            case _:
                assert_never(self.pooling)

    def _mean(
        self, states: Float[Tensor, "B L W"], embedded: CutActivations
    ) -> Float[Tensor, "B W"]:
        kept = slice(self.family.special, None)
        weight = embedded.mask[:, kept].to(states.dtype)[:, :, None]
        return (states[:, kept] * weight).sum(1) / weight.sum(1)
