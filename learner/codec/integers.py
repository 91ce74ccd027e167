"""Integer quantisation: 8 or 4 bits per number, one scale per vector."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.codec.base import AdditiveCodec, Encoded


@final
@dataclass(frozen=True)
class Integers(AdditiveCodec):
    """Uniform symmetric quantisation: ``x = scale q`` with integer q from -n to n.

    n is 127 with 8 bits and 7 with 4 bits. The scale of a vector is its maximum magnitude over n,
    in float32 and rounded up. So nothing is clipped, and the error of a number is at most
    scale / 2, plus the rounding of float32. Two numbers of 4 bits share a byte; with an odd number
    of them, the last byte is half used. Left out: zero points, separate outliers, stochastic
    rounding.
    """

    number_bits: Literal[8, 4]

    @override
    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        numbers_bytes = -(-width * self.number_bits // 8)
        return tokens * (8 * (numbers_bytes + torch.float32.itemsize))

    @override
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        scale = self._scale(vectors)
        # A vector of zeros has a scale of 0; its numbers stay 0.
        step = torch.where(scale > 0, scale, 1.0).to(vectors.dtype)
        whole = (vectors / step).round_().to(torch.int8)
        return (whole if self.number_bits == 8 else _pack(whole)), scale

    @override
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        numbers, scale = sent
        return scale * (numbers if self.number_bits == 8 else _unpack(numbers, width))

    def _scale(self, vectors: Float[Tensor, "V E"]) -> Float[Tensor, "V 1"]:
        largest = vectors.abs().amax(1, keepdim=True)
        steps = 2 ** (self.number_bits - 1) - 1
        # Rounded up to float32: with the nearest number the largest magnitude could be clipped.
        nearest = (largest.double() / steps).float()
        above = torch.nextafter(nearest, nearest.new_tensor(torch.inf))
        return torch.where(nearest.double() * steps < largest, above, nearest)


def _pack(whole: Int[Tensor, "V E"]) -> UInt8[Tensor, "V P"]:
    """Return two numbers per byte, the first in the lower half, each shifted by 8 to 0 to 15."""
    shifted = torch.nn.functional.pad((whole + 8).to(torch.uint8), (0, whole.shape[1] % 2))
    return shifted[:, ::2] | shifted[:, 1::2] << 4


def _unpack(packed: UInt8[Tensor, "V P"], width: int) -> Int[Tensor, "V E"]:
    shifted = torch.stack([packed & 15, packed >> 4], dim=2).flatten(1)
    return shifted[:, :width].to(torch.int8) - 8
