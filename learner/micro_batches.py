"""Batches for the encoder that waste little on padding."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from learner.codec import Link
from learner.data import Samples
from learner.split import Split


def by_length(lengths: Int[ndarray, " S"], token_budget: int) -> Iterator[Int[ndarray, " B"]]:
    """Yield positions, shortest samples first, so that each batch with its padding keeps to the token budget.

    A sample that exceeds the budget alone makes a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        # Sorted, so the next sample would be the longest of the batch.
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > token_budget:
            yield order[start:end]
            start = end


def encode(
    split: Split, link: Link, samples: Samples, rows: Int[ndarray, " S"], token_budget: int
) -> Float[Tensor, "S H"]:
    """Return the features of test samples as devices read them, in their order, by length-sorted micro-batches."""
    batches = list(by_length(samples.lengths[rows], token_budget))
    read = (link.embedding(split.embed(samples.batch(rows[batch])), None) for batch in batches)
    features = torch.cat([link.feature(split.encode(embedded), None) for embedded in read])
    back = np.argsort(np.concatenate(batches))
    return features[torch.from_numpy(back)]
