"""Floating-point codec: numbers of 64, 32 or 16 bits."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.codec.base import AdditiveCodec, Encoded


@final
@dataclass(frozen=True)
class Floats(AdditiveCodec):
    """Rounding of each number to a format: IEEE 754 binary64, 32 and 16, or bfloat16.

    A number beyond the format becomes infinite, which the link refuses: 65,504 is float16's
    largest.
    """

    format: torch.dtype

    @override
    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        return tokens * (width * self.format.itemsize * 8)

    @override
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        return (vectors.to(self.format),)

    @override
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        return sent[0]
