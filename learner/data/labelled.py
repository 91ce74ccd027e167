"""Labelled texts or images from a table, with its columns checked."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from PIL import Image

from learner.errors import LearnerInputError, one_line
from learner.settings import Columns


@final
@dataclass(frozen=True, eq=False)
class LabelledDataset:
    """Labelled dataset: texts, pairs of texts or encoded images, and their class numbers."""

    texts: tuple[list[str], ...]
    """Texts, or first and second texts of pairs; empty for images."""
    labels: Int[ndarray, " S"]
    images: list[bytes] = field(default_factory=list)
    groups: Int[ndarray, " S"] | None = None
    """Group of each sample: the number of its value in the column of a natural partition."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int[ndarray, " R"]) -> "LabelledDataset":
        """Return the samples of these rows."""
        return LabelledDataset(
            texts=tuple([column[row] for row in rows] for column in self.texts),
            labels=self.labels[rows],
            images=[self.images[row] for row in rows] if self.images else [],
            groups=None if self.groups is None else self.groups[rows],
        )


def from_frame(
    frame: pd.DataFrame,
    columns: Columns,
    classes: int,
    *,
    key: str,
    split: str,
    group: str | None = None,
) -> LabelledDataset:
    """Return the samples of a table.

    ``group`` names the column of a natural partition. ``key`` is the scenario key of the table.

    Raises:
        LearnerInputError: a column is missing, or it holds something else than it should.
    """
    read = columns.text or (columns.image or "",)
    for name in (*read, columns.label, *([] if group is None else [group])):
        if name not in frame.columns:
            names = ", ".join(map(str, frame.columns))
            raise LearnerInputError(
                key, f"the {split} split has no column '{name}'; there are: {names}"
            )
    if frame.empty:
        raise LearnerInputError(key, f"the {split} split has no samples")
    return LabelledDataset(
        texts=tuple(_texts(frame[name], key, split) for name in columns.text or ()),
        labels=_labels(frame[columns.label], columns.classes, classes, key=key, split=split),
        images=[] if columns.image is None else _images(frame[columns.image], key, split),
        groups=None if group is None else pd.factorize(frame[group].astype(str), sort=True)[0],
    )


def _texts(column: "pd.Series[str]", key: str, split: str) -> list[str]:
    if not all(isinstance(text, str) for text in column):
        raise LearnerInputError(key, f"column '{column.name}' of the {split} split is not all text")
    return column.tolist()


def _labels(
    column: "pd.Series[int]", names: Sequence[str] | None, classes: int, key: str, split: str
) -> Int[ndarray, " S"]:
    if names is not None:
        numbers = {name: number for number, name in enumerate(names)}
        for label in column.unique():
            if label not in numbers:
                problem = f"label '{label}' in the {split} split is not one of: {', '.join(names)}"
                raise LearnerInputError(key, problem)
        return column.map(numbers).to_numpy(np.int64)
    labels = column.to_numpy()
    if not np.issubdtype(labels.dtype, np.integer):
        problem = (
            f"column '{column.name}' of the {split} split holds no class numbers; "
            "learner.data.columns.classes may name the classes"
        )
        raise LearnerInputError(key, problem)
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        problem = (
            f"label {outside[0]} in the {split} split is not one of the classes 0 to {classes - 1}"
        )
        raise LearnerInputError(key, problem)
    return labels.astype(np.int64)


def _images(column: "pd.Series[Any]", key: str, split: str) -> list[bytes]:
    images = []
    for row, value in enumerate(column):
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            problem = (
                f"row {row} in column '{column.name}' of the {split} split holds no bytes of an "
                "image"
            )
            raise LearnerInputError(key, problem)
        try:
            decode(content)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            reason = one_line(error, limit=80)
            problem = (
                f"row {row} in column '{column.name}' of the {split} split is no image: {reason}"
            )
            raise LearnerInputError(key, problem) from error
        images.append(content)
    return images


def decode(content: bytes) -> Image.Image:
    """Return the pixels of an encoded image, in RGB."""
    return Image.open(io.BytesIO(content)).convert("RGB")
