"""Split model: the embedding on the devices, encoder and pooling on the server."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never, final

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from learner.architectures import CutActivations, SplitArchitecture
from learner.architectures.base import Batch
from learner.architectures.packing import PLAIN, Packing
from learner.lora import Adapter
from learner.precision import Precision

Pooling = Literal["pooler", "cls", "mean", "cls_mean"]


@final
@dataclass(frozen=True, eq=False)
class Split:
    """Split model: ``encode(embed(batch))`` is the unsplit model's pooled output.

    The embedding is frozen, so its gradient is never formed. ``encode`` records a graph for the
    LoRA gradient if the caller has gradients enabled.
    """

    architecture: SplitArchitecture
    model: Any
    pooling: Pooling
    adapters: list[Adapter]
    precision: Precision
    compiled: Callable[[Any, CutActivations], Tensor] | None = None
    """Compiled ``encode`` of the architecture; None if it is not compiled."""

    @property
    def embedding_width(self) -> int:
        """Numbers E per embedded token."""
        return self.architecture.embedding_width(self.model.config)

    @property
    def feature_width(self) -> int:
        """Numbers H of the pooled output per sample."""
        return int(self.model.config.hidden_size) * (2 if self.pooling == "cls_mean" else 1)

    @property
    def numerics(self) -> dict[str, str]:
        """Number format and attention by their names in the settings."""
        attention = self.model.config._attn_implementation
        names = {"flash_attention_2": "flash", PLAIN: "plain", "eager": "plain"}
        return {"precision": self.precision.name, "attention": names.get(attention, attention)}

    @property
    def packs(self) -> bool:
        """Whether the encoder computes real tokens only, in packed rows."""
        return self.compiled is None and self.model.config._attn_implementation == PLAIN

    @property
    def trainable_parameters(self) -> int:
        """Number of LoRA parameters that learn; 0 where LoRA is frozen."""
        return sum(
            matrix.numel()
            for pair in self.adapters
            for matrix in (pair.down, pair.up)
            if matrix.requires_grad
        )

    def accepted(self, batch: Batch) -> list[str]:
        """Return the names of the inputs in a batch that the unsplit model takes."""
        parameters = inspect.signature(self.model.forward).parameters
        return [name for name in batch if name in parameters]

    def store_frozen_weights(self) -> None:
        """Store the server's frozen linear weights in the format of the products.

        Autocast would convert them in every pass to the same numbers.
        """
        dtype = self.precision.autocast_dtype
        for name, module in self.model.named_modules() if dtype else ():
            is_adapter = ".lora_" in name
            if (
                isinstance(module, nn.Linear)
                and self.architecture.is_server_module(name)
                and not is_adapter
            ):
                module.to(dtype)

    @torch.no_grad()
    def embed(self, batch: Batch) -> CutActivations:
        """Return the activations at the cut, computed on the device."""
        precision = self.precision
        inputs = {name: values.to(precision.device) for name, values in batch.items()}
        with precision.autocast():
            embedded = self.architecture.embed(self.model, inputs)
        return CutActivations(embedded.hidden.to(precision.dtype), embedded.mask)

    def encode(
        self, embedded: CutActivations, owners: Int[ndarray, " B"] | None = None
    ) -> Float[Tensor, "B H"]:
        """Return the pooled output, the feature that is sent to the device.

        The tokens of an owner, if there are owners, follow each other in a packed row.
        """
        encode = self.compiled or self.architecture.encode
        packing = Packing.from_mask(embedded.mask, owners) if self.packs else None
        computed = embedded
        if packing is not None:
            row = packing.pack(embedded.hidden)
            computed = CutActivations(row, embedded.mask.new_ones(row.shape[:2]), packing)
        with self.precision.autocast():
            states = encode(self.model, computed)
            if packing is not None:
                states = packing.unpack(states)
            pooled = self._pool(states, embedded)
        return pooled.to(self.precision.dtype)

    def _pool(
        self, states: Float[Tensor, "B L W"], embedded: CutActivations
    ) -> Float[Tensor, "B H"]:
        match self.pooling:
            case "pooler":
                return self.architecture.pool(self.model, states)
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
        kept = slice(self.architecture.num_special_tokens, None)
        weight = embedded.mask[:, kept].to(states.dtype)[:, :, None]
        return (states[:, kept] * weight).sum(1) / weight.sum(1)
