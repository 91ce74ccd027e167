"""Samples from a local directory of Parquet, CSV or JSON files, or of pictures."""

import os
from pathlib import Path
from typing import Final

import pandas as pd

from learner.data import image_folder
from learner.data.raw_tables import RawTables
from learner.data.table_files import ENDINGS, read_table
from learner.errors import LearnerInputError

KEY: Final = "learner.data.path"


def read_directory(folder: Path) -> RawTables:
    """Return the training and test tables of a directory.

    Raises:
        LearnerInputError: a table is missing or cannot be read, or has no rows.
    """
    # Unlike pathlib, os.path answers False for a path that no directory can have.
    if not os.path.isdir(folder):
        raise LearnerInputError(KEY, f"'{folder}' is not a directory")
    train, train_files = _read(folder, "train")
    test, test_files = _read(folder, "validation", "test")
    several = len(train_files) > 1 or len(test_files) > 1
    return RawTables(
        KEY,
        train,
        test,
        class_names=None if train_files else image_folder.class_names(train),
        files=f"samples read: {_listed(train_files)}; tests: {_listed(test_files)}"
        if several
        else "",
    )


def _read(folder: Path, *splits: str) -> tuple[pd.DataFrame, list[Path]]:
    """Return the table of the first split that is there, and its files; none for pictures."""
    for split in splits:
        for ending in ENDINGS:
            files = sorted(
                [*folder.glob(f"{split}*{ending}"), *folder.glob(f"{split}*{ending}.gz")]
            )
            if files:
                return _joined(files), files
        if image_folder.has_classes(folder / split):
            return image_folder.read_split(folder / split, KEY), []
    wanted = " or ".join(f"{split}*" for split in splits)
    problem = (
        f"'{folder}' has no {wanted} file; the endings read are: {', '.join(ENDINGS)}; "
        f"pictures are read as {splits[0]}/CLASS/NAME.png"
    )
    raise LearnerInputError(KEY, problem)


def _joined(files: list[Path]) -> pd.DataFrame:
    """Return the rows of all files; files without rows are left out, whatever their columns."""
    tables = []
    for file in files:
        try:
            table = read_table(file)
        except ValueError as error:
            raise LearnerInputError(KEY, f"'{file}' cannot be read: {error}") from error
        if len(table):
            tables.append(table)
    if not tables:
        names = ", ".join(f"'{file}'" for file in files[:3])
        raise LearnerInputError(KEY, f"{names} has no rows")
    return pd.concat(tables, ignore_index=True)


def _listed(files: list[Path]) -> str:
    names = [file.name for file in files]
    if len(names) > 4:
        return f"{names[0]} to {names[-1]} ({len(names)} files)"
    return ", ".join(names)
