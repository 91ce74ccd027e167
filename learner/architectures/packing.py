"""Packed micro-batches: sequences in one row without padding, and attention within each of them.

Linear layers and normalisations act on each token alone, so they compute real tokens only.
Attention works in buckets of sequences of similar length. ``plain_attention`` is registered with
transformers, which hands it the ``Packing`` in place of a mask.
"""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

PLAIN: Final = "airtune_plain"
"""Name of ``plain_attention`` in transformers."""
_MULTIPLE: Final = 8
"""Lengths are rounded up to a multiple of it: fewer buckets, and shapes that matrix units like."""
_MASKED: Final = -1e30
"""Score of a padding token: its probability is exactly 0, and no row of scores is all infinite."""


@final
@dataclass(frozen=True, eq=False)
class Bucket:
    """Sequences of a packed row that attend together: ``count`` of them, padded to ``length``."""

    tokens: slice
    """Their tokens in the row, if they follow each other there."""
    count: int
    length: int
    gathered: Int[Tensor, " padded"] | None
    """Position in the row per padded token; None if the sequences follow each other in the row and
    none has padding.
    """
    kept: Int[Tensor, " real"] | None
    """Padded position of each real token; None if no sequence has padding."""
    mask: Float[Tensor, "n 1 1 L"] | None
    """Term of the scores that excludes padding; None if no sequence has padding."""


@final
@dataclass(frozen=True, eq=False)
class Packing:
    """Order of the tokens of a padded batch in a packed row, shortest sequences first.

    The sequences of an owner, if there are owners, follow each other.
    """

    positions: Int[Tensor, " T"]
    """Position in the flattened batch of each token of the row."""
    shape: tuple[int, int]
    """Samples and padded length of the batch."""
    buckets: tuple[Bucket, ...]
    restored: Int[Tensor, " T"] | None
    """Position of each token of the row in the sequence of buckets; None if it is its own."""

    @classmethod
    def from_mask(
        cls, mask: Int[Tensor, "B L"], owners: Int[ndarray, " B"] | None = None
    ) -> "Packing | None":
        """Return the packing of a batch; None if it has no padding."""
        present = mask.cpu().numpy().astype(bool)
        if present.all():
            return None
        lengths = present.sum(1)
        order = np.argsort(lengths, kind="stable")
        if owners is not None:
            order = order[np.argsort(owners[order], kind="stable")]
        padded = np.arange(present.size).reshape(present.shape)
        positions = padded[order][present[order]]
        rows, columns = present.shape
        return cls(
            torch.from_numpy(positions).to(mask.device),
            (rows, columns),
            *_buckets(lengths[order], mask.device),
        )

    def pack(self, batch: Float[Tensor, "B L W"]) -> Float[Tensor, "1 T W"]:
        """Return the row of the real tokens of a padded batch."""
        return batch.flatten(0, 1).index_select(0, self.positions)[None]

    def unpack(self, row: Float[Tensor, "1 T W"]) -> Float[Tensor, "B L W"]:
        """Return the padded batch of a row, 0 at padding tokens."""
        rows, columns = self.shape
        empty = row.new_zeros(rows * columns, row.shape[2])
        return empty.index_copy(0, self.positions, row[0]).view(rows, columns, -1)


def _buckets(
    lengths: Int[ndarray, " B"], device: torch.device
) -> tuple[tuple[Bucket, ...], Int[Tensor, " T"] | None]:
    """Return the buckets of the sequences of a row, and ``Packing.restored``."""
    rounded = -(-lengths // _MULTIPLE) * _MULTIPLE
    starts = np.cumsum(lengths) - lengths
    members = [np.flatnonzero(rounded == bound) for bound in np.unique(rounded)]
    buckets = tuple(_bucket(lengths[chosen], starts[chosen], device) for chosen in members)
    if (np.diff(rounded) >= 0).all():
        return buckets, None
    # Tokens of the row in the order in which the buckets have them.
    order = np.concatenate([_tokens(lengths[chosen], starts[chosen]) for chosen in members])
    return buckets, torch.from_numpy(np.argsort(order)).to(device)


def _tokens(lengths: Int[ndarray, " n"], starts: Int[ndarray, " n"]) -> Int[ndarray, " real"]:
    """Return the positions in the row of the tokens of some sequences."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)


def _bucket(
    lengths: Int[ndarray, " n"], starts: Int[ndarray, " n"], device: torch.device
) -> Bucket:
    """Return the bucket of sequences that start at these positions of the row."""
    longest = int(lengths.max())
    count = len(lengths)
    tokens = slice(int(starts[0]), int(starts[-1] + lengths[-1]))
    has_padding = bool((lengths < longest).any())
    if not has_padding:
        follow = tokens.stop - tokens.start == count * longest
        gathered = None if follow else torch.from_numpy(_tokens(lengths, starts)).to(device)
        return Bucket(tokens, count, longest, gathered=gathered, kept=None, mask=None)
    padded = -(-longest // _MULTIPLE) * _MULTIPLE
    place = np.arange(padded)
    present: Bool[ndarray, "n L"] = place < lengths[:, None]
    # Padding reads the first token of its sequence, and its score excludes it.
    positions = np.where(present, starts[:, None] + place, starts[:, None]).ravel()
    mask = np.where(present, np.float32(0.0), np.float32(_MASKED))
    return Bucket(
        tokens,
        count,
        padded,
        gathered=torch.from_numpy(positions).to(device),
        kept=torch.from_numpy(np.flatnonzero(present)).to(device),
        mask=torch.from_numpy(mask)[:, None, None].to(device),
    )


def plain_attention(
    module: Any,
    query: Float[Tensor, "B H L D"],
    key: Float[Tensor, "B H L D"],
    value: Float[Tensor, "B H L D"],
    attention_mask: Packing | Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "B L H D"], None]:
    """Return softmax attention by two matrix products, within each sequence of a packed row.

    The signature is that of transformers' ``AttentionInterface``. With a tensor or None in place of
    a ``Packing`` the batch is a padded one. Left out: dropout, which is always 0 here.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if not isinstance(attention_mask, Packing):
        return _attend(query, key, value, mask=attention_mask, scale=scale), None
    row = [states[0].transpose(0, 1) for states in (query, key, value)]
    parts = [_attend_bucket(bucket, row, scale) for bucket in attention_mask.buckets]
    attended = torch.cat(parts)
    if attention_mask.restored is not None:
        attended = attended.index_select(0, attention_mask.restored)
    return attended[None], None


def _attend_bucket(
    bucket: Bucket, row: list[Float[Tensor, "T H D"]], scale: float
) -> Float[Tensor, "tokens H D"]:
    shape = (bucket.count, bucket.length, *row[0].shape[1:])
    if bucket.gathered is None:
        sequences = [states[bucket.tokens].view(shape).transpose(1, 2) for states in row]
        return _attend(*sequences, mask=None, scale=scale).flatten(0, 1)
    gathered = bucket.gathered
    sequences = [states.index_select(0, gathered).view(shape).transpose(1, 2) for states in row]
    mask = None if bucket.mask is None else bucket.mask.to(row[0].dtype)
    attended = _attend(*sequences, mask=mask, scale=scale).flatten(0, 1)
    return attended if bucket.kept is None else attended.index_select(0, bucket.kept)


def _attend(
    query: Float[Tensor, "B H L D"],
    key: Float[Tensor, "B H L D"],
    value: Float[Tensor, "B H L D"],
    *,
    mask: Tensor | None,
    scale: float,
) -> Float[Tensor, "B L H D"]:
    scores = torch.matmul(query * scale, key.transpose(-1, -2))
    if mask is not None:
        scores = scores + mask
    return torch.matmul(scores.softmax(-1), value).transpose(1, 2)


AttentionInterface.register(PLAIN, plain_attention)
AttentionMaskInterface.register(PLAIN, eager_mask)
