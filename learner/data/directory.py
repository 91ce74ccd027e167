"""Samples from a local directory of Parquet, CSV or JSON files."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from learner.data.raw_tables import RawTables
from learner.errors import LearnerInputError, one_line

KEY = "learner.data.path"
_READERS = MappingProxyType[str, Callable[[Path], pd.DataFrame]](
    {
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
        ".json": lambda file: pd.read_json(file, lines=_has_lines(file)),
    }
)


def read_directory(folder: Path) -> RawTables:
    """Return the training and test tables of a directory.

    Raises:
        LearnerInputError: a table is missing or cannot be read.
    """
    if not folder.is_dir():
        raise LearnerInputError(KEY, f"'{folder}' is not a directory")
    return RawTables(KEY, _read(folder, "train"), _read(folder, "validation", "test"))


def _read(folder: Path, *splits: str) -> pd.DataFrame:
    for split in splits:
        for ending, reader in _READERS.items():
            files = sorted(folder.glob(f"{split}*{ending}"))
            if files:
                try:
                    return pd.concat([reader(file) for file in files], ignore_index=True)
                except (OSError, ValueError) as error:
                    reason = one_line(error, limit=150)
                    problem = f"{split}*{ending} in '{folder}' cannot be read: {reason}"
                    raise LearnerInputError(KEY, problem) from error
    wanted = " or ".join(f"{split}*" for split in splits)
    endings = ", ".join(_READERS)
    raise LearnerInputError(
        KEY, f"'{folder}' has no {wanted} file; the endings read are: {endings}"
    )


def _has_lines(file: Path) -> bool:
    """Return whether each line is one object, as ``datasets`` writes, instead of one array."""
    with file.open(encoding="utf-8") as text:
        return not text.read(64).lstrip().startswith("[")
