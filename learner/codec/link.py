"""Split link: encode-decode round trip of the legs between device and server."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from learner.architectures import CutActivations
from learner.codec.base import AdditiveCodec, Codec
from learner.errors import CodecError
from learner.settings import Leg

BITS_PER_NUMBER: Final = 32

Owners = Int[ndarray, " S"] | None
"""Device of each sample; None for test samples."""


@final
@dataclass(frozen=True)
class LegCodec:
    """Codec of one leg; without a codec, vectors are transmitted unchanged."""

    leg: Leg
    kind: str
    """Name of the codec, for messages."""
    codec: Codec | None

    def bits(self, tokens: Int[ndarray, " S"], width: int) -> int:
        """Return the bits of samples with ``tokens`` vectors of ``width`` numbers each."""
        if self.codec is None:
            return int(self.sample_bits(tokens, width).sum())
        return self.codec.bits(tokens, width)

    @property
    def is_additive(self) -> bool:
        """Whether the bits of a payload are the sum of those of its samples."""
        return self.codec is None or isinstance(self.codec, AdditiveCodec)

    def sample_bits(self, tokens: Int[ndarray, "*n"], width: int) -> Int[ndarray, "*n"]:
        """Return the bits of each sample, if the codec is additive."""
        if self.codec is None:
            return tokens * (width * BITS_PER_NUMBER)
        assert isinstance(self.codec, AdditiveCodec), "checked by is_additive"
        return self.codec.sample_bits(tokens, width)

    @torch.no_grad()
    def round_trip(
        self, vectors: Float[Tensor, "V E"], tokens: Int[ndarray, " S"], owners: Owners
    ) -> Float[Tensor, "V E"]:
        """Return the vectors of the receiver.

        Raises:
            CodecError: a number is not finite, before or after, or the encoded payload does not
                have the bits that the codec announced.
        """
        if self.codec is None:
            return vectors
        self._require_finite(vectors, vectors, tokens, owners=owners)
        announced = self.codec.bits(tokens, vectors.shape[1])
        sent = self.codec.encode(vectors, tokens)
        sent_bits = 8 * sum(part.nbytes for part in sent)
        if sent_bits != announced:
            raise CodecError(
                f"codec '{self.kind}' wrote {sent_bits} bits of {self.leg} and announced "
                f"{announced}"
            )
        decoded = self.codec.decode(sent, tokens, vectors.shape[1])
        if decoded.shape != vectors.shape:
            raise CodecError(
                f"codec '{self.kind}' read {tuple(decoded.shape)} numbers of {self.leg} where "
                f"{tuple(vectors.shape)} were sent"
            )
        decoded = decoded.to(vectors)
        self._require_finite(decoded, vectors, tokens, owners=owners)
        return decoded

    def _require_finite(
        self, seen: Tensor, sent: Tensor, tokens: Int[ndarray, " S"], owners: Owners
    ) -> None:
        finite = torch.isfinite(seen)
        if finite.all():
            return
        vector, place = (~finite).nonzero()[0].tolist()
        sample = int(np.searchsorted(np.cumsum(tokens), vector, side="right"))
        source = "a test sample" if owners is None else f"device {owners[sample]}"
        number = sent[vector, place].item()
        remedy = (
            f"'{self.kind}' cannot carry; take another codec"
            if np.isfinite(number)
            else "no codec carries; lower the learning rates"
        )
        raise CodecError(f"the {self.leg} of {source} holds {number:g}, which {remedy}")


@final
@dataclass(frozen=True)
class SplitLink:
    """Link of the split step: embedding, feature and gradient.

    The gradient passes a lossy feature unchanged (straight-through estimator).
    """

    _embedding: LegCodec
    _feature: LegCodec
    _gradient: LegCodec
    skip_padding: bool

    @property
    def passes_features_unchanged(self) -> bool:
        """Whether no codec acts between the embedding and the feature that a device reads."""
        return self._embedding.codec is None and self._feature.codec is None

    def bits(
        self, lengths: Int[ndarray, " S"], embedding_width: int, width: int
    ) -> tuple[int, int, int]:
        """Return the bits of embedding, feature and gradient of one device's samples."""
        one_vector = np.ones_like(lengths)
        return (
            self._embedding.bits(self._transmitted(lengths, int(lengths.max())), embedding_width),
            self._feature.bits(one_vector, width),
            self._gradient.bits(one_vector, width),
        )

    @property
    def is_additive(self) -> bool:
        """Whether the bits of each payload are the sum of those of its samples."""
        return all(leg.is_additive for leg in (self._embedding, self._feature, self._gradient))

    def bits_of_many(
        self, lengths: Int[ndarray, "K S"], embedding_width: int, width: int
    ) -> tuple[Float[ndarray, " K"], Float[ndarray, " K"], Float[ndarray, " K"]]:
        """Return ``bits`` of K devices, if the codecs are additive."""
        tokens = self._transmitted(lengths, lengths.max(axis=1, keepdims=True))
        embedding = self._embedding.sample_bits(tokens, embedding_width).sum(axis=1)
        one_vector = np.ones(lengths.shape[1], np.int64)
        feature, gradient = (
            np.full(len(lengths), leg.bits(one_vector, width), float)
            for leg in (self._feature, self._gradient)
        )
        return embedding.astype(float), feature, gradient

    @torch.no_grad()
    def embedding(self, embedded: CutActivations, owners: Owners) -> CutActivations:
        """Return the embedding as the server reads it; padding is sent as zeros, or not at all."""
        if self._embedding.codec is None:
            return embedded
        hidden = embedded.hidden
        present = embedded.mask.bool()
        lengths = present.sum(1).cpu().numpy()
        tokens = self._transmitted(lengths, hidden.shape[1])
        if tokens.sum() == present.numel():
            sent = hidden.masked_fill(~present[:, :, None], 0.0)
            read = self._embedding.round_trip(sent.flatten(0, 1), tokens, owners)
            return CutActivations(read.view(hidden.shape), embedded.mask)
        read = torch.zeros_like(hidden)
        read[present] = self._embedding.round_trip(hidden[present], tokens, owners)
        return CutActivations(read, embedded.mask)

    def feature(self, pooled: Float[Tensor, "S H"], owners: Owners) -> Float[Tensor, "S H"]:
        """Return the pooled outputs as the devices read them."""
        return self._feature.round_trip(pooled, np.ones(len(pooled), int), owners)

    def gradient(self, gradient: Float[Tensor, "S H"], owners: Owners) -> Float[Tensor, "S H"]:
        """Return the gradients with respect to the pooled outputs as the server reads them."""
        return self._gradient.round_trip(gradient, np.ones(len(gradient), int), owners)

    def _transmitted(
        self, lengths: Int[ndarray, "*K S"], longest: int | Int[ndarray, "K 1"]
    ) -> Int[ndarray, "*K S"]:
        return lengths if self.skip_padding else np.full_like(lengths, longest)
