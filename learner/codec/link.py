"""The link between the two sides of the split: what one sends, and what the other reads."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from learner.architectures import CutActivations
from learner.codec.base import Codec
from learner.errors import CodecError
from learner.settings import Leg

BITS_PER_NUMBER: Final = 32

Owners = Int[ndarray, " S"] | None
"""The device of each sample; None where the samples are those of the test."""


@final
@dataclass(frozen=True)
class LegCodec:
    """One leg: vectors as they are, or what a codec makes of them."""

    leg: Leg
    kind: str
    """The codec's name, for messages."""
    codec: Codec | None

    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        """Return the bits of samples with so many vectors of so many numbers each."""
        if self.codec is None:
            return int(tokens.sum()) * width * BITS_PER_NUMBER
        return self.codec.bits(tokens, width)

    @torch.no_grad()
    def carry(
        self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"], owners: Owners
    ) -> Float[Tensor, "V E"]:
        """Return what arrives.

        Raises CodecError where a number is not finite, before or after, or where what travelled is
        not what ``bits`` says.
        """
        if self.codec is None:
            return vectors
        self._require_finite(vectors, vectors, tokens, owners)
        announced = self.codec.bits(tokens, vectors.shape[1])
        sent = self.codec.encode(vectors, tokens)
        sent_bits = 8 * sum(part.nbytes for part in sent)
        if sent_bits != announced:
            raise CodecError(
                f"codec '{self.kind}' wrote {sent_bits} bits of {self.leg} and announced {announced}"
            )
        decoded = self.codec.decode(sent, tokens, vectors.shape[1])
        if decoded.shape != vectors.shape:
            read, wanted = tuple(decoded.shape), tuple(vectors.shape)
            raise CodecError(
                f"codec '{self.kind}' read {read} numbers of {self.leg} where {wanted} were sent"
            )
        decoded = decoded.to(vectors)
        self._require_finite(decoded, vectors, tokens, owners)
        return decoded

    def _require_finite(
        self, seen: Tensor, sent: Tensor, tokens: Int[ndarray, " S"], owners: Owners
    ) -> None:
        finite = torch.isfinite(seen)
        if finite.all():
            return
        vector, place = (~finite).nonzero()[0].tolist()
        sample = int(np.searchsorted(np.cumsum(tokens), vector, side="right"))
        whose = "a test sample" if owners is None else f"device {owners[sample]}"
        number = sent[vector, place].item()
        remedy = (
            f"'{self.kind}' cannot carry; take another codec"
            if np.isfinite(number)
            else "no codec carries; lower the learning rates"
        )
        raise CodecError(f"the {self.leg} of {whose} holds {number:g}, which {remedy}")


@final
@dataclass(frozen=True)
class SplitLink:
    """The three legs. The gradient passes a lossy feature as if nothing had been lost
    (straight-through).
    """

    _embedding: LegCodec
    _feature: LegCodec
    _gradient: LegCodec
    skip_padding: bool

    def bits(
        self, lengths: Int[ndarray, " S"], embedding_width: int, width: int
    ) -> tuple[int, int, int]:
        """Return the bits of embedding, feature and gradient of a device's samples with so many
        tokens each.
        """
        one = np.ones_like(lengths)
        return (
            self._embedding.bits(self._travelling(lengths, int(lengths.max())), embedding_width),
            self._feature.bits(one, width),
            self._gradient.bits(one, width),
        )

    @torch.no_grad()
    def embedding(self, embedded: CutActivations, owners: Owners) -> CutActivations:
        """Return the embedding as the server reads it; of padding, zeros are sent where any is."""
        if self._embedding.codec is None:
            return embedded
        hidden, present = embedded.hidden, embedded.mask.bool()
        lengths = present.sum(1).cpu().numpy()
        tokens = self._travelling(lengths, hidden.shape[1])
        if tokens.sum() == present.numel():
            sent = hidden.masked_fill(~present[:, :, None], 0.0)
            read = self._embedding.carry(sent.flatten(0, 1), tokens, owners)
            return CutActivations(read.view(hidden.shape), embedded.mask)
        read = torch.zeros_like(hidden)
        read[present] = self._embedding.carry(hidden[present], tokens, owners)
        return CutActivations(read, embedded.mask)

    def feature(self, pooled: Float[Tensor, "S H"], owners: Owners) -> Float[Tensor, "S H"]:
        """Return the pooled outputs as the devices read them."""
        return self._feature.carry(pooled, np.ones(len(pooled), int), owners)

    def gradient(self, gradient: Float[Tensor, "S H"], owners: Owners) -> Float[Tensor, "S H"]:
        """Return the gradients with respect to the pooled outputs as the server reads them."""
        return self._gradient.carry(gradient, np.ones(len(gradient), int), owners)

    def _travelling(self, lengths: Int[ndarray, " S"], longest: int) -> Int[ndarray, " S"]:
        return lengths if self.skip_padding else np.full_like(lengths, longest)
