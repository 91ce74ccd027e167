"""Labelled texts or images from a table, with its columns checked."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from PIL import Image

from learner.data.tables.origin import Origin
from learner.errors import LearnerInputError, one_line
from learner.settings import Columns

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")


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
    origin: Origin = field(default_factory=lambda: Origin(""))
    """Origin of the rows of the table, for texts of errors."""
    rows: Int[ndarray, " S"] | None = None
    """Row of each sample in its table; None where the samples are the table."""
    files: str = ""
    """One line about the files that were read, where a split has several."""

    def place(self, sample: int) -> str:
        """Return the place of a sample in its table, as a text."""
        return self.origin.place(sample if self.rows is None else int(self.rows[sample]))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int[ndarray, " R"]) -> "LabelledDataset":
        """Return the samples of these rows."""
        return LabelledDataset(
            texts=tuple([column[row] for row in rows] for column in self.texts),
            labels=self.labels[rows],
            images=[self.images[row] for row in rows] if self.images else [],
            groups=None if self.groups is None else self.groups[rows],
            origin=self.origin,
            rows=rows if self.rows is None else self.rows[rows],
            files=self.files,
        )


def from_frame(
    frame: pd.DataFrame,
    columns: Columns,
    classes: int,
    *,
    key: str,
    origin: Origin,
    group: str | None = None,
) -> LabelledDataset:
    """Return the samples of a table.

    ``group`` names the column of a natural partition. ``key`` is the scenario key of the table.

    Raises:
        LearnerInputError: a column is missing, or it holds something else than it should.
    """
    require_columns(frame, columns, group, key=key, origin=origin)
    if frame.empty:
        raise LearnerInputError(key, f"the {origin.split} split has no samples")
    return LabelledDataset(
        texts=tuple(_texts(frame[name], key, origin) for name in columns.text or ()),
        labels=_labels(frame[columns.label], columns.classes, classes, key=key, origin=origin),
        images=[] if columns.image is None else _images(frame[columns.image], key, origin),
        groups=None if group is None else _groups(frame[group], key, origin),
        origin=origin,
    )


def require_columns(
    frame: pd.DataFrame, columns: Columns, group: str | None, *, key: str, origin: Origin
) -> None:
    """Refuse a table that lacks a column.

    Raises:
        LearnerInputError: the text names the first missing column.
    """
    read = columns.text or (columns.image or "",)
    for name in (*read, columns.label, *([] if group is None else [group])):
        if name not in frame.columns:
            names = ", ".join(map(str, frame.columns))
            raise LearnerInputError(
                key, f"the {origin.split} split has no column '{name}'; there are: {names}"
            )
        if file := origin.file_without(name):
            names = ", ".join(file.columns)
            raise LearnerInputError(key, f"{file.name} has no column '{name}'; there are: {names}")


def _texts(column: "pd.Series[Any]", key: str, origin: Origin) -> list[str]:
    texts = column.tolist()
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            problem = "has no text" if _is_missing(text) else f"is {_shown(text)}, not text"
            raise LearnerInputError(key, f"{origin.place(row, column.name)} {problem}")
        try:
            text.encode()
        except UnicodeEncodeError:
            problem = f"{origin.place(row, column.name)} has half of a character (a lone surrogate)"
            raise LearnerInputError(key, problem) from None
    return texts


def _groups(column: "pd.Series[Any]", key: str, origin: Origin) -> Int[ndarray, " S"]:
    values = [
        "" if _is_missing(value) else str(value).strip() if isinstance(value, str) else str(value)
        for value in column.tolist()
    ]
    without = [row for row, value in enumerate(values) if not value]
    if without:
        problem = (
            f"column '{column.name}' of the {origin.split} split has no value in {len(without)} "
            f"of {len(values)} rows, the first is {origin.row(without[0])}; the rows of a "
            "device need one"
        )
        raise LearnerInputError(key, problem)
    return pd.factorize(np.array(values, dtype=object), sort=True)[0]


def _labels(
    column: "pd.Series[Any]", names: Sequence[str] | None, classes: int, key: str, origin: Origin
) -> Int[ndarray, " S"]:
    if names is not None:
        numbers = {name: number for number, name in enumerate(names)}
        return np.array(
            [
                _named_class(column, row, value, numbers=numbers, key=key, origin=origin)
                for row, value in enumerate(column.tolist())
            ],
            dtype=np.int64,
        )
    labels = class_numbers(column, key, origin)
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        row = outside[0]
        problem = (
            f"label {labels[row]} in {origin.place(int(row))} is not one of the classes 0 to "
            f"{classes - 1}"
        )
        raise LearnerInputError(key, problem)
    return labels


def _named_class(
    column: "pd.Series[Any]",
    row: int,
    value: object,
    *,
    numbers: Mapping[str, int],
    key: str,
    origin: Origin,
) -> int:
    _require_label(column, row, value, key=key, origin=origin)
    for text in _spellings(value):
        if text in numbers:
            return numbers[text]
    names = ", ".join(numbers)
    problem = f"label '{value}' in {origin.place(row)} is not one of: {names}"
    raise LearnerInputError(key, problem)


def _spellings(value: object) -> list[str]:
    """Return the texts that may stand for a label in the names of the classes."""
    text = str(value)
    if isinstance(value, bool):
        return [text, text.lower()]
    if isinstance(value, float):
        return [text, text.removesuffix(".0")]
    return [text, text.strip()]


def class_numbers(column: "pd.Series[Any]", key: str, origin: Origin) -> Int[ndarray, " S"]:
    """Return a column of class numbers; those of a CSV file are texts.

    Raises:
        LearnerInputError: a label is missing or no whole number; the text names its row.
    """
    if pd.api.types.is_integer_dtype(column) and not column.hasnans:
        return column.to_numpy(np.int64)
    values = column.tolist()
    # First the labels that are missing, beside which pandas makes floats of integers.
    for row, value in enumerate(values):
        _require_label(column, row, value, key=key, origin=origin)
    numbers = []
    for row, value in enumerate(values):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
            problem = (
                f"{origin.place(row, column.name)} is {_shown(value)}, no class number; "
                "learner.data.columns.classes may name the classes"
            )
            raise LearnerInputError(key, problem)
        numbers.append(int(value))
    return np.array(numbers, dtype=np.int64)


def _require_label(
    column: "pd.Series[Any]", row: int, value: object, *, key: str, origin: Origin
) -> None:
    if _is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise LearnerInputError(key, f"{origin.place(row, column.name)} has no label")


def _is_missing(value: object) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and value != value)
    )


def _shown(value: object) -> str:
    text = one_line(repr(value), limit=40)
    return f"{text} ({type(value).__name__})"


def _images(column: "pd.Series[Any]", key: str, origin: Origin) -> list[bytes]:
    images = []
    for row, value in enumerate(column):
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            problem = f"{origin.place(row, column.name)} holds no bytes of an image"
            raise LearnerInputError(key, problem)
        try:
            decode(content)
        # Damaged pictures raise anything, down to the errors of struct.
        except Exception as error:
            reason = one_line(error, limit=80)
            # Tables of the hub may keep the name of the picture beside its bytes.
            name = value.get("path") if isinstance(value, dict) else None
            named = f" ({one_line(name, limit=80)})" if isinstance(name, str) else ""
            problem = f"{origin.place(row, column.name)}{named} is no image: {reason}"
            raise LearnerInputError(key, problem) from error
        images.append(content)
    return images


def decode(content: bytes) -> Image.Image:
    """Return the pixels of an encoded image, in RGB of 8 bits each.

    Raises:
        ValueError: the mode of the picture has no fixed range, such as floats.
        Exception: whatever a damaged picture makes Pillow raise.
    """
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode.startswith("I;16"):
        # The nearest of 256 levels: 65,535 / 255 = 257. Pillow itself would cut off at 255.
        levels = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(levels.astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode} has no fixed range; take 8 or 16 bits per channel")
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
