"""The matrix of a sample's tokens as a product of two narrow ones."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from learner.codec.base import Codec, Encoded

_NUMBER_BITS: Final = 32


@final
@dataclass(frozen=True)
class LowRank(Codec):
    """The best approximation of a sample's T x E matrix by one of rank r (Eckart and Young, 1936), as two factors.

    T x r and r x E numbers in float32 travel; a sample of fewer than r tokens takes as many as it has. Which of two
    equal singular values is kept is not defined.
    """

    rank: int

    @override
    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        if self.rank > width:
            raise ValueError(f"rank = {self.rank} exceeds the {width} numbers of a vector")
        return int((np.minimum(tokens, self.rank) * (tokens + width)).sum()) * _NUMBER_BITS

    @override
    def encode(self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"]) -> Encoded:
        samples = pad_sequence(list(torch.split(vectors, tokens.tolist())), batch_first=True)
        left, values, right = torch.linalg.svd(samples, full_matrices=False)
        narrow = (left * values[:, None])[:, :, : self.rank]
        in_left, in_right = self._present(tokens, vectors.device)
        return narrow[in_left].float(), right[:, : self.rank][in_right].float()

    @override
    def decode(self, sent: Encoded, tokens: Int[ndarray, " S"], width: int) -> Float[Tensor, "V E"]:
        in_left, in_right = self._present(tokens, sent[0].device)
        left = sent[0].new_zeros(in_left.shape)
        left[in_left] = sent[0]
        right = sent[1].new_zeros((*in_right.shape, width))
        right[in_right] = sent[1]
        samples = left @ right
        return torch.cat([sample[:count] for sample, count in zip(samples, tokens.tolist(), strict=True)])

    def _present(
        self, tokens: Int[ndarray, " S"], device: torch.device
    ) -> tuple[Bool[Tensor, "S T R"], Bool[Tensor, "S R"]]:
        """Return which numbers of the first factors travel, and which rows of the second."""
        count = torch.from_numpy(tokens).to(device)
        longest = int(tokens.max())
        row, column = (torch.arange(size, device=device) for size in (longest, min(self.rank, longest)))
        in_right = column < count[:, None]
        return (row < count[:, None])[:, :, None] & in_right[:, None], in_right
