"""Micro-batches of samples of similar length, so that little is spent on padding."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from numpy import ndarray
from torch import Tensor

from learner.codec import SplitLink
from learner.data import Dataset
from learner.split import Split

# Fixed cost of a micro-batch, as a share of the cost of a full one's tokens.
FIXED_COST_SHARE: Final = 1 / 16


def by_length(lengths: Int[ndarray, " S"], token_budget: int) -> Iterator[Int[ndarray, " B"]]:
    """Yield the positions of each micro-batch, shortest samples first.

    A batch with its padding stays within the token budget; a sample beyond the budget is a batch
    of its own. The cuts minimise the sum of padding and fixed cost per batch.
    """
    order = np.argsort(lengths, kind="stable")
    present, counts = np.unique(lengths, return_counts=True)
    ends = np.cumsum(counts)
    for first, last in _groups(present, ends, token_budget):
        group = order[ends[first] - counts[first] : ends[last]]
        yield from np.array_split(group, _batches(len(group), present[last], token_budget))


def by_tokens(lengths: Int[ndarray, " S"], token_budget: int) -> Iterator[Int[ndarray, " B"]]:
    """Yield the positions of each micro-batch that is packed without padding, shortest first.

    A batch stays within the token budget; a sample beyond the budget is a batch of its own. The
    batches have similar numbers of tokens.
    """
    order = np.argsort(lengths, kind="stable")
    for first, last in cuts(lengths[order], token_budget):
        yield order[first:last]


def cuts(sizes: Num[ndarray, " S"], budget: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last position, exclusive, of groups of a sequence of sizes.

    The groups have similar sums within the budget; a size beyond the budget is a group of its own.
    """
    ends = np.cumsum(sizes)
    first = 0
    start = 0
    while first < len(sizes):
        left = ends[-1] - start
        target = left / -(-left // budget)
        last = min(int(np.searchsorted(ends, start + target)) + 1, len(sizes))
        if ends[last - 1] - start > budget:
            last = max(last - 1, first + 1)
        yield first, last
        first, start = last, ends[last - 1]


def micro_batches(
    split: Split, lengths: Int[ndarray, " S"], token_budget: int
) -> Iterator[Int[ndarray, " B"]]:
    """Yield the positions of each micro-batch, cut for the way in which ``split`` computes."""
    return (by_tokens if split.packs else by_length)(lengths, token_budget)


def _batches(samples: Any, longest: Any, token_budget: int) -> Any:
    """Return the number of batches of samples that are all padded to the longest."""
    return -(-samples // np.maximum(token_budget // longest, 1))


def _groups(
    present: Int[ndarray, " U"], ends: Int[ndarray, " U"], token_budget: int
) -> list[tuple[int, int]]:
    """Return the first and last length of each group that is padded alike, at minimum cost.

    Dynamic programme over the distinct lengths: ``minimum[n]`` is the cost of the first n lengths.
    """
    before = np.concatenate([[0], ends])
    minimum = np.zeros(len(present) + 1)
    cuts = np.zeros(len(present) + 1, dtype=np.int64)
    # Forward: best start of the group that ends with each length.
    for last, longest in enumerate(present, start=1):
        samples = before[last] - before[:last]
        batches = _batches(samples, longest, token_budget)
        cost = minimum[:last] + samples * longest + FIXED_COST_SHARE * token_budget * batches
        cuts[last] = cost.argmin()
        minimum[last] = cost[cuts[last]]
    # Backward: follow the cuts from the last group to the first.
    groups = []
    last = len(present)
    while last:
        groups.append((int(cuts[last]), last - 1))
        last = int(cuts[last])
    return groups[::-1]


def encode(
    split: Split, link: SplitLink, samples: Dataset, rows: Int[ndarray, " S"], token_budget: int
) -> Float[Tensor, "S H"]:
    """Return the features of samples as devices read them, in the order of ``rows``."""
    batches = list(micro_batches(split, samples.lengths[rows], token_budget))
    received = (link.embedding(split.embed(samples.batch(rows[batch])), None) for batch in batches)
    features = torch.cat([link.feature(split.encode(embedded), None) for embedded in received])
    order = np.argsort(np.concatenate(batches))
    return features[torch.from_numpy(order)]
