"""Architecture interface: embedding, encoder and pooler of a model that can be split."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask
from typing_extensions import override

from learner.architectures.packing import PLAIN, Packing

Batch: TypeAlias = Mapping[str, Tensor]
"""Model inputs by their Hugging Face names, padded to one length."""


@final
@dataclass(frozen=True)
class CutActivations:
    """Activations at the cut, which a device sends: the embedded tokens of a batch."""

    hidden: Float[Tensor, "B L E"]
    mask: Int[Tensor, "B L"]
    """1 for a token, 0 for padding."""
    packing: Packing | None = None
    """Packing of the batch if ``hidden`` is its packed row."""


class SplitArchitecture(ABC):
    """Architecture that is cut after its embedding: encoder and pooler are on the server.

    ``model`` is the bare Hugging Face model of this architecture, with or without LoRA in its
    linear modules.
    """

    targets: ClassVar[tuple[str, ...]]
    """Default modules of LoRA: query and value, as in Hu et al. (2022)."""
    attentions: ClassVar[frozenset[str]] = frozenset({"sdpa", "flash_attention_2", PLAIN})
    """Attention implementations beside the plain one, by their names in transformers."""
    has_pooler: ClassVar[bool]
    """Whether the model has a pooler of its own; its checkpoint may lack the weights."""
    num_special_tokens: int = 0
    """Number of tokens at the start that mean pooling leaves out."""

    def from_pretrained_kwargs(self, *, pooler: bool) -> dict[str, Any]:
        """Return the arguments of ``from_pretrained`` for a model with or without its pooler."""
        return {"add_pooling_layer": pooler} if self.has_pooler else {}

    def embedding_width(self, config: Any) -> int:
        """Return the numbers per embedded token at the cut."""
        return int(config.hidden_size)

    @abstractmethod
    def is_server_module(self, module: str) -> bool:
        """Return whether the module of this full name belongs to the server's part."""

    @abstractmethod
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        """Return the activations at the cut, computed on the device."""

    @abstractmethod
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        """Return the states of all tokens after the last layer, computed on the server."""

    def pool(self, model: Any, states: Float[Tensor, "B L H"]) -> Float[Tensor, "B H"]:
        """Return the output of the model's own pooler."""
        assert self.has_pooler, "validated: pooling = 'pooler' needs a model with a pooler"
        pooled: Tensor = model.pooler(states)
        return pooled


class TextArchitecture(SplitArchitecture):
    """Architecture whose input is tokens of text."""

    @abstractmethod
    def max_positions(self, config: Any) -> int:
        """Return the maximum number of tokens of a sequence."""


class ImageArchitecture(SplitArchitecture):
    """Architecture whose input is images, cut into patches: one token per patch."""

    @abstractmethod
    def token_count(self, config: Any, height: int, width: int) -> int:
        """Return the number of tokens of an image of this size; 0 if the model refuses it."""

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        weight = model.embeddings.patch_embeddings.projection.weight
        hidden = model.embeddings(batch["pixel_values"].to(weight.dtype))
        return CutActivations(hidden, hidden.new_ones(hidden.shape[:2], dtype=torch.int64))


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width of a size that a configuration may give as one number."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def attention_mask(model: Any, embedded: CutActivations) -> Tensor | Packing | None:
    """Return the attention mask in the model's own form; None if there is no padding."""
    if embedded.packing is not None:
        return embedded.packing
    mask: Tensor | None = create_bidirectional_mask(
        config=model.config, inputs_embeds=embedded.hidden, attention_mask=embedded.mask
    )
    return mask
