"""Odd inputs: a file or value of another person, and its right value or its one line of error."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from coupling import RunError, ScenarioError
from coupling.scenario.errors import Interrupted
from learner.data import LabelledDataset, load
from learner.errors import LearnerInputError
from learner.settings import Data
from netsim.errors import NetworkInputError, StalledError
from support.tiny_learner import PhiloxStreams

ERRORS = (
    ScenarioError,
    RunError,
    Interrupted,
    LearnerInputError,
    NetworkInputError,
    StalledError,
)
LONGEST_LINE = 600


@dataclass(frozen=True)
class Refused:
    """Refusal whose line holds some words in their order."""

    words: tuple[str, ...]


def refused(*words: str) -> Refused:
    return Refused(words)


@dataclass(frozen=True)
class OddInput:
    """Row of a table of odd inputs."""

    kind: str
    name: str
    read: Callable[[Path], object]
    """Writes the input into a folder, which is the working directory, and reads it."""
    expected: object
    """The value, or ``Refused``."""


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, and the folders around them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


Take = Callable[[LabelledDataset, LabelledDataset], object]


def texts(train: LabelledDataset, test: LabelledDataset) -> list[object]:
    return [*train.texts]


def labels(train: LabelledDataset, test: LabelledDataset) -> list[int]:
    return [int(label) for label in train.labels]


def groups(train: LabelledDataset, test: LabelledDataset) -> list[int]:
    assert train.groups is not None
    return [int(group) for group in train.groups]


def both_labels(train: LabelledDataset, test: LabelledDataset) -> list[list[int]]:
    return [labels(train, test), labels(test, train)]


def samples(take: Take, files: Mapping[str, str | bytes | Callable[[], bytes]], **data: Any) -> Any:
    """Return the reader of training files in a folder, and what to take of the samples."""

    def read(folder: Path) -> object:
        write(folder, {name: made() if callable(made) else made for name, made in files.items()})
        path = str(folder / data.get("path", "."))
        settings = Data.model_validate({**data, "path": path})
        train, test, _ = load(settings, PhiloxStreams(1))
        return take(train, test)

    return read


def parquet(**columns: Sequence[Any]) -> Callable[[], bytes]:
    """Return the function that makes a Parquet file of columns."""

    def made() -> bytes:
        buffer = io.BytesIO()
        pd.DataFrame(columns).to_parquet(buffer)
        return buffer.getvalue()

    return made


def rows(head: str, *values: str) -> str:
    """Return a table of five devices, one row each."""
    lines = [f"{device},{value}" for device, value in enumerate(values)]
    return "\n".join([head, *lines]) + "\n"


def not_utf8(rows: int) -> pa.Array:
    """Return a column of texts that are no UTF-8, as no writer makes them."""
    offsets = pa.py_buffer(np.arange(0, 2 * rows + 2, 2, dtype=np.int32).tobytes())
    return pa.Array.from_buffers(pa.string(), rows, [None, offsets, pa.py_buffer(b"a\xff" * rows)])
