"""Payloads of the split step: the bits of each leg, from the shapes of the minibatches."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int, Int64, Integer
from numpy import ndarray

from learner.data import Partition
from learner.executor.base import LearnerComponents
from learner.rng import SubsetFactory

_KEPT_BYTES: Final = 1 << 30


@final
class SplitPayloads:
    """Payload sizes of the split step, per device and round.

    Samples of equal length, as images are, have equal payloads; no minibatch is drawn for them.
    """

    def __init__(self, parts: LearnerComponents, batch_size: int) -> None:
        self._parts = parts
        self._lengths = parts.samples.lengths
        equal_length = bool((self._lengths == self._lengths[0]).all())
        self._any_lengths = np.repeat(self._lengths[:1], batch_size) if equal_length else None
        self._minibatches = _MinibatchLengths(parts.partition, self._lengths)

    @property
    def are_joint(self) -> bool:
        """Whether the sizes of all devices can be computed together: the codecs are additive."""
        return self._parts.link.is_additive

    def of_device(self, device: int, round_number: int) -> Mapping[str, int]:
        """Return the bits of embedding, feature and gradient."""
        lengths = self._any_lengths
        if lengths is None:
            lengths = self._lengths[self._parts.partition.minibatch(device, round_number)]
        split = self._parts.split
        embedding, feature, gradient = self._parts.link.bits(
            lengths, split.embedding_width, split.feature_width
        )
        return {"embedding": embedding, "feature": feature, "gradient": gradient}

    def of_all(
        self, round_number: int, subsets: SubsetFactory
    ) -> Mapping[str, Float[ndarray, " K"]]:
        """Return the bits of all devices, if the codecs are additive."""
        if self._any_lengths is None:
            lengths = self._minibatches.of_round(round_number, subsets)
        else:
            lengths = np.tile(self._any_lengths, (len(self._parts.partition.sizes), 1))
        split = self._parts.split
        embedding, feature, gradient = self._parts.link.bits_of_many(
            lengths, split.embedding_width, split.feature_width
        )
        return {"embedding": embedding, "feature": feature, "gradient": gradient}


@final
class _MinibatchLengths:
    """Token counts of the samples in the minibatches of all devices, drawn together.

    The token counts of every share are kept, in one byte per sample where they fit. Shares that
    would need more than ``_KEPT_BYTES`` are drawn again in every round, one after another.
    """

    def __init__(self, partition: Partition, lengths: Int[ndarray, " S"]) -> None:
        self._partition = partition
        self._lengths = lengths.astype(np.min_scalar_type(int(lengths.max())))

    def of_round(self, round_number: int, subsets: SubsetFactory) -> Int64[ndarray, "K B"]:
        """Return the token counts of each device's minibatch, in any order."""
        partition = self._partition
        if int(partition.sizes.sum()) * self._lengths.itemsize > _KEPT_BYTES:
            devices = range(len(partition.sizes))
            rows = np.stack([partition.minibatch(device, round_number) for device in devices])
            return self._lengths[rows].astype(np.int64)
        first = np.cumsum(partition.sizes) - partition.sizes
        places = first[:, None] + partition.positions(round_number, subsets)
        return self._kept[places].astype(np.int64)

    @cached_property
    def _kept(self) -> Integer[ndarray, " total"]:
        """Token counts of all shares, one after another."""
        kept = np.empty(int(self._partition.sizes.sum()), self._lengths.dtype)
        end = np.cumsum(self._partition.sizes)
        for device, size in enumerate(self._partition.sizes):
            kept[end[device] - size : end[device]] = self._lengths[self._partition.share(device)]
        return kept
