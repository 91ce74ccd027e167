"""What a codec must tell to stand between the two sides of the split."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

Encoded: TypeAlias = tuple[Tensor, ...]
"""What travels: the bytes of these tensors, and nothing else."""


class Codec(ABC):
    """How the vectors of a payload are written as bytes, and what the other side reads from them.

    A payload has one or more samples, and a sample one or more vectors of E numbers: its embedded
    tokens, or its one feature or gradient. Samples stand one after another, and ``tokens`` says how
    many vectors each has. The numbers are finite. A codec treats every sample by itself, because
    the server may compute samples in other batches than they arrived in; and how many bits a
    payload takes does not depend on any value.
    """

    @abstractmethod
    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        """Return 8 times the bytes of ``encode``; ValueError where vectors of this width cannot be
        written.
        """

    @abstractmethod
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        """Return what travels."""

    @abstractmethod
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        """Return the vectors that the other side computes with, from what travelled and the shape
        alone.
        """
