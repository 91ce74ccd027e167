"""Batches for the encoder that waste little on padding."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from learner.codec import SplitLink
from learner.data import Dataset
from learner.split import Split

# A micro-batch takes time beside that for its tokens: about as much as this share of a full one's
# tokens.
FIXED_COST_SHARE: Final = 1 / 16


def by_length(lengths: Int[ndarray, " S"], token_budget: int) -> Iterator[Int[ndarray, " B"]]:
    """Yield positions, shortest samples first, so that each batch with its padding keeps to the
    token budget.

    Where to cut is chosen so that padding and the batches' own cost are least together. A sample
    that exceeds the budget alone makes a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    present, counts = np.unique(lengths, return_counts=True)
    ends = np.cumsum(counts)
    for first, last in _groups(present, ends, token_budget):
        group = order[ends[first] - counts[first] : ends[last]]
        yield from np.array_split(group, _batches(len(group), present[last], token_budget))


def _batches(samples: Any, longest: Any, token_budget: int) -> Any:
    """Return how many batches so many samples take when all of them are padded to the longest."""
    return -(-samples // np.maximum(token_budget // longest, 1))


def _groups(
    present: Int[ndarray, " U"], ends: Int[ndarray, " U"], token_budget: int
) -> list[tuple[int, int]]:
    """Return the first and last of each run of lengths that are padded alike: the cheapest way to
    cut them all.
    """
    before = np.concatenate([[0], ends])
    least, cuts = np.zeros(len(present) + 1), np.zeros(len(present) + 1, dtype=np.int64)
    for last, longest in enumerate(present, start=1):
        samples = before[last] - before[:last]
        batches = _batches(samples, longest, token_budget)
        cost = least[:last] + samples * longest + FIXED_COST_SHARE * token_budget * batches
        cuts[last] = cost.argmin()
        least[last] = cost[cuts[last]]
    groups, last = [], len(present)
    while last:
        groups.append((int(cuts[last]), last - 1))
        last = int(cuts[last])
    return groups[::-1]


def encode(
    split: Split, link: SplitLink, samples: Dataset, rows: Int[ndarray, " S"], token_budget: int
) -> Float[Tensor, "S H"]:
    """Return the features of test samples as devices read them, in their order, by length-sorted
    micro-batches.
    """
    batches = list(by_length(samples.lengths[rows], token_budget))
    read = (link.embedding(split.embed(samples.batch(rows[batch])), None) for batch in batches)
    features = torch.cat([link.feature(split.encode(embedded), None) for embedded in read])
    back = np.argsort(np.concatenate(batches))
    return features[torch.from_numpy(back)]
