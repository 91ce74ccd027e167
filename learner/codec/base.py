"""Codec interface: encoding and decoding of the vectors of a leg."""

from abc import ABC, abstractmethod
from typing import TypeAlias, final

from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

Encoded: TypeAlias = tuple[Tensor, ...]
"""Encoded payload: the bytes of these tensors, and nothing else, are transmitted."""


class Codec(ABC):
    """Codec of a leg: writes the vectors of a payload as bytes, and reads them at the receiver.

    A payload has one or more samples, and a sample one or more vectors of E numbers: its embedded
    tokens, or its one feature or gradient. Samples stand one after another, and ``tokens`` says how
    many vectors each has. The numbers are finite. A codec treats each sample by itself, because
    the server may compute samples in other batches than they arrived in. The number of bits of a
    payload depends on shapes only, not on values.
    """

    @abstractmethod
    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        """Return the bits of the encoded payload: 8 times the bytes of ``encode``.

        Raises:
            ValueError: vectors of this width cannot be written.
        """

    @abstractmethod
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        """Return the encoded payload."""

    @abstractmethod
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        """Return the vectors of the receiver, from the encoded payload and the shape only."""


class AdditiveCodec(Codec):
    """Additive codec: the bits of a payload are the sum of those of its samples.

    The payloads of many devices are then computed together.
    """

    @abstractmethod
    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        """Return the bits of each sample by itself.

        Raises:
            ValueError: vectors of this width cannot be written.
        """

    @final
    @override
    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        return int(self.sample_bits(tokens, width).sum())
