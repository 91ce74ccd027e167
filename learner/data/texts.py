"""Tokenised texts: one flat array of tokens per set."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.data import cache
from learner.data.labelled import LabelledDataset
from learner.data.samples import Dataset, width_bit
from learner.errors import LearnerInputError, one_line

# Outputs of a tokenizer, one number per token.
COLUMNS: Final = ("input_ids", "token_type_ids")
_LENGTHS: Final = "lengths"


@final
@dataclass(frozen=True, eq=False)
class TokenizedDataset(Dataset):
    """Tokens of all samples, one sample after another without padding, and the labels."""

    columns: Mapping[str, Int[ndarray, " tokens"]]
    padding: Mapping[str, int]
    """Number of the padding token in each column."""
    starts: Int[ndarray, " S"]
    lengths: Int[ndarray, " S"]
    labels: Int[ndarray, " S"]

    @override
    def batch(self, rows: Int[ndarray, " B"]) -> dict[str, Tensor]:
        """Return the tokens of these samples, padded to the longest of them, with their mask."""
        lengths = self.lengths[rows]
        position = np.arange(lengths.max())
        present = position < lengths[:, None]
        token = np.where(present, self.starts[rows][:, None] + position, 0)
        batch = {
            name: torch.from_numpy(
                np.where(present, values[token], self.padding[name]).astype(np.int64)
            )
            for name, values in self.columns.items()
        }
        batch["attention_mask"] = torch.from_numpy(present.astype(np.int64))
        return batch

    @override
    def _input_bits(self, rows: Int[ndarray, " B"]) -> int:
        return int(self.lengths[rows].sum()) * self._token_bits

    @cached_property
    def _token_bits(self) -> int:
        """Bits of a token's number: 16 for a vocabulary of up to 65,536 tokens."""
        return width_bit(self.columns["input_ids"])


def tokenize(
    labelled: LabelledDataset,
    tokenizer: Any,
    max_tokens: int,
    *,
    vocabulary: int | None = None,
    segments: int | None = None,
) -> TokenizedDataset:
    """Return the samples as tokens, at most ``max_tokens`` each; equal texts come from a cache.

    ``vocabulary`` and ``segments`` are the numbers of tokens and of segment types of the model.

    Raises:
        LearnerInputError: no padding token, more tokens or segments than the model has, a
            tokenizer that fails, or a text that becomes no token.
    """
    if tokenizer.pad_token_id is None:
        problem = (
            "its tokenizer has no padding token; name one as pad_token in tokenizer_config.json"
        )
        raise LearnerInputError("learner.model", problem)
    key = cache.key(tokenizer, max_tokens, labelled.texts)
    tokens = cache.read(key)
    if tokens is None:
        tokens = _tokens(labelled, tokenizer, max_tokens)
        cache.write(key, tokens)
    _require_known(tokens["input_ids"], vocabulary)
    _require_known(np.array([tokenizer.pad_token_id]), vocabulary)
    lengths = tokens[_LENGTHS]
    empty = np.flatnonzero(lengths == 0)
    if empty.size:
        place = labelled.place(int(empty[0]))
        problem = f"the text in {place} becomes no token: {_first_texts(labelled, int(empty[0]))}"
        raise LearnerInputError("learner.data.columns.text", problem)
    types = tokens.get("token_type_ids")
    if segments is not None and types is not None and types.max(initial=0) >= segments:
        problem = (
            f"the tokenizer marks {types.max() + 1} segments, and the model knows {segments}; "
            "name one column of texts, or take another model"
        )
        raise LearnerInputError("learner.data.columns.text", problem)
    return TokenizedDataset(
        columns={name: tokens[name] for name in COLUMNS if name in tokens},
        padding={"input_ids": tokenizer.pad_token_id, "token_type_ids": 0},
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        labels=labelled.labels,
    )


def _first_texts(labelled: LabelledDataset, sample: int) -> str:
    return ", ".join(f"{column[sample][:40]!r}" for column in labelled.texts)


def _require_known(ids: ndarray, vocabulary: int | None) -> None:
    """Refuse numbers of tokens that the model has no embedding of."""
    largest = int(ids.max(initial=0))
    if vocabulary is not None and largest >= vocabulary:
        problem = f"its tokenizer has a token number {largest}, and the model knows {vocabulary}"
        raise LearnerInputError("learner.model", problem)


def _tokens(labelled: LabelledDataset, tokenizer: Any, max_tokens: int) -> dict[str, ndarray]:
    try:
        encoded = tokenizer(*labelled.texts, truncation=True, max_length=max_tokens)
    # A faulty tokenizer raises anything, down to a bare Exception of the Rust library.
    except Exception as error:
        problem = f"its tokenizer fails: {one_line(error)}"
        raise LearnerInputError("learner.model", problem) from error
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)
    total = int(lengths.sum())
    columns = {
        name: _stored(np.fromiter(chain.from_iterable(encoded[name]), np.int64, total))
        for name in COLUMNS
        if name in encoded
    }
    return columns | {_LENGTHS: lengths}


def _stored(numbers: Int[ndarray, " tokens"]) -> Int[ndarray, " tokens"]:
    """Return numbers of tokens in 32 bits, as the cache stores them."""
    if (largest := int(numbers.max(initial=0))) > np.iinfo(np.int32).max:
        problem = f"its tokenizer has the number {largest}, and 32 bits are stored"
        raise LearnerInputError("learner.model", problem)
    return numbers.astype(np.int32)
