"""Origin of a split's rows: the file and the row there, for the texts of errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class SampleFile:
    """Sample file: its name below the data directory, number of rows, and columns."""

    name: str
    rows: int
    columns: Sequence[str]


@final
@dataclass(frozen=True)
class Origin:
    """Origin of the rows of a split: its files in the order of the rows, rows counted from 0."""

    split: str
    files: Sequence[SampleFile] = ()
    """Files of the split; empty where they are not known, as for a set of the hub."""
    pictures: bool = False
    """Whether each file is a picture."""

    def row(self, row: int) -> str:
        """Return the name of a row in a text that names the split: with its file if several."""
        if len(self.files) < 2:
            return f"row {row}"
        return self.place(row)

    def place(self, row: int, column: object = None) -> str:
        """Return the place of a row, or of its value in a column, as a text."""
        if self.pictures:
            return f"file {self.files[row].name}"
        name = f"the {self.split} split"
        if len(self.files) > 1:
            starts = np.cumsum([0, *(file.rows for file in self.files)])
            # The last file that starts at the row or before: files without rows start there, too.
            number = int(np.searchsorted(starts, row, side="right")) - 1
            name = self.files[number].name
            row -= int(starts[number])
        cell = f"row {row}" if column is None else f"row {row} in column '{column}'"
        return f"{cell} of {name}"

    def file_without(self, column: str) -> SampleFile | None:
        """Return the first file that has rows and lacks a column, or None."""
        without = (file for file in self.files if file.rows and column not in file.columns)
        return next(without, None)
