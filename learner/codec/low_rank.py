"""Low-rank codec: the matrix of a sample's tokens as a product of two factors."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.codec.base import AdditiveCodec, Encoded

_NUMBER_BITS: Final = 32


@final
@dataclass(frozen=True)
class LowRank(AdditiveCodec):
    """Truncated SVD of a sample's T x E matrix to rank r (Eckart and Young, 1936).

    The factors, T x r and r x E numbers in float32, are transmitted. A sample of fewer than r
    tokens has rank T. The choice between equal singular values is not defined.
    """

    rank: int

    @override
    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        if self.rank > width:
            raise ValueError(f"rank = {self.rank} exceeds the {width} numbers of a vector")
        return np.minimum(tokens, self.rank) * (tokens + width) * _NUMBER_BITS

    @override
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        factors = [self._factors(sample) for sample in torch.split(vectors, tokens.tolist())]
        return torch.cat([left.flatten() for left, _ in factors]), torch.cat(
            [right for _, right in factors]
        )

    @override
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        # In float64: the last digits of a product in float32 depend on the number of rows.
        ranks = np.minimum(tokens, self.rank)
        left = torch.split(sent[0].double(), (tokens * ranks).tolist())
        right = torch.split(sent[1].double(), ranks.tolist())
        return torch.cat(
            [tall.view(-1, len(wide)) @ wide for tall, wide in zip(left, right, strict=True)]
        )

    def _factors(
        self, sample: Float[Tensor, "T E"]
    ) -> tuple[Float[Tensor, "T R"], Float[Tensor, "R E"]]:
        """Return both factors of one sample."""
        # Zeros at its end, such as padding, do not enter the SVD.
        held = int(sample.any(1).nonzero().max()) + 1 if sample.any() else 1
        left, values, right = torch.linalg.svd(sample[:held], full_matrices=False)
        count = min(self.rank, len(sample))
        kept = min(count, held)
        narrow = torch.zeros(len(sample), count, device=sample.device)
        narrow[:held, :kept] = (left * values)[:, :kept].float()
        wide = torch.zeros(count, sample.shape[1], device=sample.device)
        wide[:kept] = right[:kept].float()
        return narrow, wide
