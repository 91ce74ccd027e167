"""Samples from the Hugging Face hub or its local cache."""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import final

import pandas as pd

from learner.data.raw_tables import RawTables
from learner.errors import LearnerInputError, one_line
from learner.settings import Columns, Data

KEY = "learner.data.name"


@final
@dataclass(frozen=True, kw_only=True)
class HubSet:
    """Data set on the hub, and its splits that have labels."""

    repository: str = "nyu-mll/glue"
    configuration: str | None
    columns: Columns | None
    classes: int | None = 2
    """Number of classes; None: counted in the training labels."""
    train: str = "train"
    tests: tuple[str, ...] = ("validation",)
    """Test splits, by preference: the first one that exists is used."""


def _glue(
    name: str, *text: str, classes: int = 2, train: str = "train", test: str = "validation"
) -> HubSet:
    columns = Columns(text=text)
    return HubSet(configuration=name, columns=columns, classes=classes, train=train, tests=(test,))


HUB_SETS = MappingProxyType(
    {
        "sst2": _glue("sst2", "sentence"),
        # The labels of MRPC's test split are public; the paper's 4,076 training samples are the
        # other two splits.
        "mrpc": _glue("mrpc", "sentence1", "sentence2", train="train+validation", test="test"),
        "qnli": _glue("qnli", "question", "sentence"),
        "rte": _glue("rte", "sentence1", "sentence2"),
        "cola": _glue("cola", "sentence"),
        "mnli": _glue("mnli", "premise", "hypothesis", classes=3, test="validation_matched"),
        "qqp": _glue("qqp", "question1", "question2"),
        "cifar10": HubSet(
            repository="uoft-cs/cifar10",
            configuration=None,
            columns=Columns(image="img"),
            classes=10,
            tests=("test",),
        ),
        "cifar100": HubSet(
            repository="uoft-cs/cifar100",
            configuration=None,
            columns=Columns(image="img", label="fine_label"),
            classes=100,
            tests=("test",),
        ),
    }
)


def find(data: Data) -> HubSet:
    """Return the data set of a known name or of a hub id."""
    assert data.name is not None, "validated: a set has a name or a path"
    if data.name in HUB_SETS:
        return HUB_SETS[data.name]
    return HubSet(
        repository=data.name,
        configuration=data.configuration,
        columns=data.columns,
        classes=None,
        train=data.train_split or "train",
        tests=(data.test_split,) if data.test_split else ("validation", "test"),
    )


def read_hub(name: str, hub_set: HubSet) -> RawTables:
    """Return the training and test tables, from the hub or its cache.

    Raises:
        LearnerInputError: neither has them.
    """
    return RawTables(KEY, _read(name, hub_set, hub_set.train), _read(name, hub_set, *hub_set.tests))


def _read(name: str, hub_set: HubSet, *splits: str) -> pd.DataFrame:
    problem = ""
    for split in splits:
        try:
            return _load(hub_set, split)
        # Each format of a data set raises its own errors.
        except Exception as error:
            reason = one_line(_cause(error), limit=150)
            problem = (
                problem
                or f"'{name}' cannot be loaded ({reason}); learner.data.path takes a local copy"
            )
            if len(splits) == 1 or split == splits[-1]:
                raise LearnerInputError(KEY, problem) from error
    raise AssertionError("there is a split")


def _load(hub_set: HubSet, split: str) -> pd.DataFrame:
    """Return a split as a table; its images stay encoded, and come from files of their own, too."""
    import datasets
    from datasets.table import embed_table_storage

    # Bars and logs on stderr would stand before the one line of an error.
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    load = partial(
        datasets.load_dataset,
        hub_set.repository,
        hub_set.configuration,
        split=split,
        cache_dir=os.environ.get("HF_DATASETS_CACHE"),
    )
    loaded = load()
    if loaded.info.builder_name == "csv":
        # Words stay words: "NA" is not missing, and 007 is not 7. A cache that was filled by others
        # has the columns as they are guessed.
        with suppress(Exception):
            loaded = load(keep_default_na=False, dtype=str)
    # Images stay encoded: a decoded set would not fit into memory.
    table = loaded.with_format("arrow")[:]
    if any(isinstance(feature, datasets.Image) for feature in loaded.features.values()):
        table = embed_table_storage(table)
    return table.to_pandas()


def _cause(error: BaseException) -> BaseException:
    """Return the error from which a library's general one comes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
