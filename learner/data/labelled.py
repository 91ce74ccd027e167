"""Texts with class numbers, checked as they come in."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from learner.errors import InputError
from learner.settings import Columns


@final
@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts, or pairs of texts, and their class numbers."""

    texts: tuple[list[str], ...]
    labels: Int[ndarray, " S"]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int[ndarray, " R"]) -> "Labelled":
        """Return the samples of these rows."""
        texts = tuple([column[row] for row in rows] for column in self.texts)
        return Labelled(texts, self.labels[rows])


def from_frame(frame: pd.DataFrame, columns: Columns, classes: int, *, key: str, split: str) -> Labelled:
    """Return the samples of a table; InputError under ``key`` where text is missing or a label out of range."""
    missing = [name for name in (*columns.text, columns.label) if name not in frame.columns]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise InputError(key, f"the {split} split has no column '{missing[0]}'; there are: {there}")
    for name in columns.text:
        if not all(isinstance(text, str) for text in frame[name]):
            raise InputError(key, f"column '{name}' of the {split} split is not all text")
    if frame.empty:
        raise InputError(key, f"the {split} split has no samples")
    labels = frame[columns.label].to_numpy()
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(key, f"column '{columns.label}' of the {split} split holds no class numbers")
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        problem = f"label {outside[0]} in the {split} split is not one of the classes 0 to {classes - 1}"
        raise InputError(key, problem)
    return Labelled(tuple(frame[name].tolist() for name in columns.text), labels.astype(np.int64))
