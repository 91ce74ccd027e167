"""Top-k sparsification: the k largest numbers of a vector and their positions."""

from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.codec.base import AdditiveCodec, Encoded

_PLACES: Final = 2**16
"""Number of positions that 16 bits can address."""


@final
@dataclass(frozen=True)
class TopK(AdditiveCodec):
    """Top-k sparsification: the k numbers of largest magnitude per vector; the others become 0.

    Numbers are transmitted in float32, their positions in 16 bits. Differences to Aji and Heafield
    (2017): k per vector instead of per payload, and no error feedback.
    """

    k: int

    @override
    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        if self.k > width:
            raise ValueError(f"k = {self.k} exceeds the {width} numbers of a vector")
        if width > _PLACES:
            raise ValueError(f"a vector of {width} numbers has more places than 16 bits can name")
        return tokens * (self.k * (torch.float32.itemsize + torch.int16.itemsize) * 8)

    @override
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        place = vectors.abs().topk(self.k, dim=1, sorted=False).indices
        return vectors.gather(1, place).float(), (place - _PLACES // 2).to(torch.int16)

    @override
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        largest, place = sent
        return largest.new_zeros(len(largest), width).scatter_(
            1, place.long() + _PLACES // 2, largest
        )
