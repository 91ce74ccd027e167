"""What an architecture must tell to be split between device and server."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from jaxtyping import Float, Int
from torch import Tensor

Batch: TypeAlias = Mapping[str, Tensor]
"""Model inputs by their Hugging Face names, padded to one length."""


@final
@dataclass(frozen=True)
class Embedded:
    """What a device sends: the embedded tokens of a batch, and a mask that is 1 where they are no padding."""

    hidden: Float[Tensor, "B L H"]
    mask: Int[Tensor, "B L"]


class Family(ABC):
    """Where one architecture is cut: the embedding stays on the devices, encoder and pooler on the server.

    ``model`` is the bare Hugging Face model of the family, with LoRA inside its linear modules or without.
    """

    @abstractmethod
    def options(self, *, pooler: bool) -> dict[str, Any]:
        """Return what ``from_pretrained`` needs to build the model with or without its pooler."""

    @abstractmethod
    def on_server(self, module: str) -> bool:
        """Return whether the module of that full name belongs to the server's part."""

    @abstractmethod
    def embed(self, model: Any, batch: Batch) -> Embedded:
        """Return what the devices compute before the split."""

    @abstractmethod
    def encode(self, model: Any, embedded: Embedded) -> Float[Tensor, "B L H"]:
        """Return the states of all tokens after the server's last layer."""

    @abstractmethod
    def pool(self, model: Any, states: Float[Tensor, "B L H"]) -> Float[Tensor, "B H"]:
        """Return the output of the model's own pooler."""
