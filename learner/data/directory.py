"""Samples from a local directory of Parquet files."""

from pathlib import Path

import numpy as np
import pandas as pd

from learner.data.labelled import Labelled, from_frame
from learner.errors import InputError
from learner.settings import Columns

KEY = "learner.data.path"
# Pairs first: a set of pairs may have a column `sentence` as well.
USUAL_TEXT = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("premise", "hypothesis"),
    ("sentence",),
    ("text",),
)


def load_directory(folder: Path, columns: Columns | None) -> tuple[Labelled, Labelled, int]:
    """Return training samples, test samples and the number of classes, which the training labels tell."""
    if not folder.is_dir():
        raise InputError(KEY, f"'{folder}' is not a directory")
    train = _read(folder, "train")
    test = _read(folder, "validation", "test")
    columns = columns or _usual_columns(train)
    classes = _count_classes(train, columns)
    return (
        from_frame(train, columns, classes, key=KEY, split="train"),
        from_frame(test, columns, classes, key=KEY, split="test"),
        classes,
    )


def _read(folder: Path, *splits: str) -> pd.DataFrame:
    for split in splits:
        files = sorted(folder.glob(f"{split}*.parquet"))
        if files:
            try:
                return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())[:150]
                raise InputError(KEY, f"{split}*.parquet in '{folder}' cannot be read: {reason}") from error
    wanted = " or ".join(f"{split}*.parquet" for split in splits)
    raise InputError(KEY, f"'{folder}' has no {wanted}")


def _usual_columns(frame: pd.DataFrame) -> Columns:
    for text in USUAL_TEXT:
        if {*text, "label"} <= set(frame.columns):
            return Columns(text=text)
    there = ", ".join(map(str, frame.columns))
    raise InputError("learner.data.columns", f"cannot be guessed from {there}; say which are text and label")


def _count_classes(train: pd.DataFrame, columns: Columns) -> int:
    """Return C, the classes being numbered 0 to C - 1 without a gap; what else is wrong shows later."""
    if columns.label not in train.columns or not pd.api.types.is_integer_dtype(train[columns.label]):
        return 0
    present = np.unique(train[columns.label].to_numpy())
    if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
        some = ", ".join(map(str, present[:8]))
        problem = f"the training labels ({some}) are not two classes or more, numbered from 0 without a gap"
        raise InputError(KEY, problem)
    return len(present)
