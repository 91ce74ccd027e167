"""The pre-trained model, cut in two: the embedding on the devices, encoder and pooling on the server."""

from dataclasses import dataclass
from typing import Any, Literal, assert_never, final

import torch
from jaxtyping import Float
from torch import Tensor

from learner.families import Embedded, Family
from learner.families.base import Batch
from learner.lora import Adapter

Pooling = Literal["pooler", "cls", "mean"]


@final
@dataclass(frozen=True, eq=False)
class Split:
    """Both sides of the cut; ``encode(embed(batch))`` is the unsplit model's pooled output.

    The embedding is frozen, so its gradient is never formed. Whether ``encode`` records a graph for the LoRA
    gradient is the caller's choice, as everywhere in torch.
    """

    family: Family
    model: Any
    pooling: Pooling
    adapters: list[Adapter]

    @property
    def hidden(self) -> int:
        """Width H of the embedding and of the pooled output."""
        return int(self.model.config.hidden_size)

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
    def embed(self, batch: Batch) -> Embedded:
        """Return what a device computes and sends."""
        return self.family.embed(self.model, batch)

    def encode(self, embedded: Embedded) -> Float[Tensor, "B H"]:
        """Return the pooled output of the server's part, the feature that goes back to the device."""
        states = self.family.encode(self.model, embedded)
        match self.pooling:
            case "pooler":
                return self.family.pool(self.model, states)
            case "cls":
                return states[:, 0]
            case "mean":
                weight = embedded.mask.to(states.dtype)[:, :, None]
                return (states * weight).sum(1) / weight.sum(1)
            case _:
                assert_never(self.pooling)
