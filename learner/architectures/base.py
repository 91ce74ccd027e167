"""What an architecture must tell to be split between device and server."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask
from typing_extensions import override

Batch: TypeAlias = Mapping[str, Tensor]
"""Model inputs by their Hugging Face names, padded to one length."""


@final
@dataclass(frozen=True)
class CutActivations:
    """What a device sends: the embedded tokens of a batch, and a mask that is 1 where they are no
    padding.
    """

    hidden: Float[Tensor, "B L E"]
    mask: Int[Tensor, "B L"]


class SplitArchitecture(ABC):
    """Where one architecture is cut: the embedding stays on the devices, encoder and pooler on the
    server.

    ``model`` is the bare Hugging Face model of the family, with LoRA inside its linear modules or
    without.
    """

    targets: ClassVar[tuple[str, ...]]
    """Modules that get LoRA where the scenario names none: query and value, as in Hu et al.
    (2022).
    """
    attentions: ClassVar[frozenset[str]] = frozenset({"sdpa", "flash_attention_2"})
    """Attention that the model has beside the plain one, by the names of transformers."""
    has_pooler: ClassVar[bool]
    """Whether the model has a pooler of its own, which its checkpoint may yet lack."""
    special: int = 0
    """Tokens at the start that mean pooling leaves out."""

    def options(self, *, pooler: bool) -> dict[str, Any]:
        """Return what ``from_pretrained`` needs to build the model with or without its pooler."""
        return {"add_pooling_layer": pooler} if self.has_pooler else {}

    def width(self, config: Any) -> int:
        """Return how many numbers a token is when it crosses from device to server."""
        return int(config.hidden_size)

    @abstractmethod
    def on_server(self, module: str) -> bool:
        """Return whether the module of that full name belongs to the server's part."""

    @abstractmethod
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        """Return what the devices compute before the split."""

    @abstractmethod
    def encode(self, model: Any, embedded: CutActivations) -> Float[Tensor, "B L H"]:
        """Return the states of all tokens after the server's last layer."""

    def pool(self, model: Any, states: Float[Tensor, "B L H"]) -> Float[Tensor, "B H"]:
        """Return the output of the model's own pooler."""
        assert self.has_pooler, "validated: only a model with a pooler is asked for it"
        pooled: Tensor = model.pooler(states)
        return pooled


class TextArchitecture(SplitArchitecture):
    """An architecture that reads tokens of text."""

    @abstractmethod
    def positions(self, config: Any) -> int:
        """Return the most tokens that a sequence may have."""


class ImageArchitecture(SplitArchitecture):
    """An architecture that reads images, cut into patches, each of them a token."""

    @abstractmethod
    def tokens(self, config: Any, height: int, width: int) -> int:
        """Return into how many tokens an image of so many pixels turns; 0 where the model does not
        take it.
        """

    @override
    def embed(self, model: Any, batch: Batch) -> CutActivations:
        weight = model.embeddings.patch_embeddings.projection.weight
        hidden = model.embeddings(batch["pixel_values"].to(weight.dtype))
        return CutActivations(hidden, hidden.new_ones(hidden.shape[:2], dtype=torch.int64))


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width of what a configuration may give as one number."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def attention_mask(model: Any, embedded: CutActivations) -> Tensor | None:
    """Return the mask as the model's attention wants it; None where there is no padding to hide."""
    mask: Tensor | None = create_bidirectional_mask(
        config=model.config, inputs_embeds=embedded.hidden, attention_mask=embedded.mask
    )
    return mask
