"""Raw tables of samples, before their columns are assigned."""

from dataclasses import dataclass, field, replace
from typing import Final, final

import numpy as np
import pandas as pd

from learner.data.labelled import LabelledDataset, class_numbers, from_frame, require_columns
from learner.data.tables.origin import Origin
from learner.errors import LearnerInputError
from learner.settings import Columns

# Pairs first: a set of pairs may have a column `sentence` too.
USUAL_COLUMNS: Final = (
    Columns(text=("sentence1", "sentence2")),
    Columns(text=("question1", "question2")),
    Columns(text=("question", "sentence")),
    Columns(text=("premise", "hypothesis")),
    Columns(text=("sentence",)),
    Columns(text=("text",)),
    Columns(image="img"),
    Columns(image="image"),
    Columns(image="img", label="fine_label"),
)


@final
@dataclass(frozen=True, eq=False)
class RawTables:
    """Training table and test table, and the scenario key of their source."""

    key: str
    train: pd.DataFrame
    test: pd.DataFrame
    class_names: tuple[str, ...] | None = None
    """Names of the classes, where the tables have them."""
    files: str = ""
    """One line about the files that were read, where a split has several."""
    train_origin: Origin = field(default_factory=lambda: Origin("train"))
    test_origin: Origin = field(default_factory=lambda: Origin("test"))

    def labelled(
        self, columns: Columns | None, group: str | None, classes: int | None = None
    ) -> tuple[LabelledDataset, LabelledDataset, int]:
        """Return training samples, test samples and the number of classes.

        ``classes`` None: counted in the training labels.

        Raises:
            LearnerInputError: a column cannot be found or read.
        """
        columns = columns or self._usual_columns()
        if columns.classes is None and self.class_names is not None:
            columns = columns.model_copy(update={"classes": self.class_names})
        require_columns(self.train, columns, group, key=self.key, origin=self.train_origin)
        if classes is None:
            classes = self._count_classes(columns)
        train = from_frame(
            self.train, columns, classes, key=self.key, origin=self.train_origin, group=group
        )
        test = from_frame(self.test, columns, classes, key=self.key, origin=self.test_origin)
        return replace(train, files=self.files), test, classes

    def _usual_columns(self) -> Columns:
        for columns in USUAL_COLUMNS:
            needed = {*(columns.text or ()), columns.image, columns.label} - {None}
            if needed <= set(self.train.columns):
                return columns
        names = ", ".join(map(str, self.train.columns))
        problem = f"cannot be guessed from {names}; say which are text (or image) and label"
        raise LearnerInputError("learner.data.columns", problem)

    def _count_classes(self, columns: Columns) -> int:
        """Return C, for classes numbered 0 to C - 1 without a gap."""
        if columns.classes is not None:
            if len(columns.classes) < 2:
                problem = f"the only class is '{columns.classes[0]}'; two or more are needed"
                raise LearnerInputError(self.key, problem)
            return len(columns.classes)
        labels = class_numbers(self.train[columns.label], self.key, self.train_origin)
        present = np.unique(labels)
        if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
            examples = ", ".join(map(str, present[:8]))
            problem = (
                f"the training labels ({examples}) are not two classes or more, numbered from 0 "
                "without a gap"
            )
            raise LearnerInputError(self.key, problem)
        return len(present)
