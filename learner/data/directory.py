"""Samples from a local directory of Parquet, CSV or JSON files, or of pictures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from learner.data.raw_tables import RawTables
from learner.data.tables import image_folder
from learner.data.tables.origin import Origin, SampleFile
from learner.data.tables.table_files import ENDINGS, read_table
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
    train, trained = _read(folder, "train", ("train",))
    test, tested = _read(folder, "test", ("validation", "test"))
    several = any(len(_table_names(origin)) > 1 for origin in (trained, tested))
    return RawTables(
        KEY,
        train,
        test,
        class_names=image_folder.class_names(train) if trained.pictures else None,
        files=f"samples read: {_listed(trained)}; tests: {_listed(tested)}" if several else "",
        train_origin=trained,
        test_origin=tested,
    )


def _read(folder: Path, name: str, splits: Sequence[str]) -> tuple[pd.DataFrame, Origin]:
    """Return the table of the first split that is there, and the origin of its rows."""
    for split in splits:
        for ending in ENDINGS:
            files = sorted(
                [*folder.glob(f"{split}*{ending}"), *folder.glob(f"{split}*{ending}.gz")]
            )
            if files:
                return _joined(files, name)
        if image_folder.has_classes(folder / split):
            return image_folder.read_split(folder / split, KEY, name)
    wanted = " or ".join(f"{split}*" for split in splits)
    problem = (
        f"'{folder}' has no {wanted} file; the endings read are: {', '.join(ENDINGS)}; "
        f"pictures are read as {splits[0]}/CLASS/NAME.png"
    )
    raise LearnerInputError(KEY, problem)


def _joined(files: list[Path], split: str) -> tuple[pd.DataFrame, Origin]:
    """Return the rows of all files; files without rows are left out, whatever their columns."""
    tables = []
    for file in files:
        try:
            table = read_table(file)
        except ValueError as error:
            raise LearnerInputError(KEY, f"'{file}' cannot be read: {error}") from error
        tables.append(table)
    full = [table for table in tables if len(table)]
    if not full:
        names = ", ".join(f"'{file}'" for file in files[:3])
        raise LearnerInputError(KEY, f"{names} has no rows")
    read = [
        SampleFile(file.name, len(table), list(map(str, table.columns)))
        for file, table in zip(files, tables, strict=True)
    ]
    return pd.concat(full, ignore_index=True), Origin(split, read)


def _table_names(origin: Origin) -> list[str]:
    return [] if origin.pictures else [file.name for file in origin.files]


def _listed(origin: Origin) -> str:
    names = _table_names(origin)
    if len(names) > 4:
        return f"{names[0]} to {names[-1]} ({len(names)} files)"
    return ", ".join(names)
