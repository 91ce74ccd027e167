"""Tokenised samples, and how they are put together into batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor

from learner.data.labelled import Labelled

# What a tokenizer gives per token, and what stands for it where there is none; ids take the tokenizer's own.
COLUMNS = ("input_ids", "token_type_ids")


@final
@dataclass(frozen=True, eq=False)
class Samples:
    """Samples as tokens, one after another without padding, and their labels."""

    columns: Mapping[str, Int[ndarray, " tokens"]]
    padding: Mapping[str, int]
    starts: Int[ndarray, " S"]
    lengths: Int[ndarray, " S"]
    labels: Int[ndarray, " S"]

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: Int[ndarray, " B"]) -> dict[str, Tensor]:
        """Return the model's inputs for these samples, padded to the longest of them, with their mask."""
        lengths = self.lengths[rows]
        position = np.arange(lengths.max())
        present = position < lengths[:, None]
        token = np.where(present, self.starts[rows][:, None] + position, 0)
        batch = {
            name: torch.from_numpy(np.where(present, values[token], self.padding[name]))
            for name, values in self.columns.items()
        }
        batch["attention_mask"] = torch.from_numpy(present.astype(np.int64))
        return batch

    def labels_of(self, rows: Int[ndarray, "..."]) -> Int[Tensor, "..."]:
        """Return the class numbers of these samples, in the same shape."""
        return torch.from_numpy(self.labels[rows])


def tokenize(labelled: Labelled, tokenizer: Any, max_tokens: int) -> Samples:
    """Return the samples as the tokenizer reads them, cut off after ``max_tokens``."""
    encoded = tokenizer(*labelled.texts, truncation=True, max_length=max_tokens)
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)
    total = int(lengths.sum())
    columns = {
        name: np.fromiter(chain.from_iterable(encoded[name]), np.int64, total)
        for name in COLUMNS
        if name in encoded
    }
    return Samples(
        columns=columns,
        padding={"input_ids": tokenizer.pad_token_id, "token_type_ids": 0},
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        labels=labelled.labels,
    )
