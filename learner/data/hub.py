"""Samples from the Hugging Face hub or its local cache."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, final

import pandas as pd

from learner.data.raw_tables import RawTables
from learner.errors import LearnerInputError, is_unreached, one_line
from learner.settings import Columns, Data

KEY = "learner.data.name"
_NO_SPLIT: Final = re.compile("unknown split|bad split|corresponds to no data", re.IGNORECASE)
"""Texts of the errors of ``datasets`` about a split that a set does not have."""
_GUESSED: Final = (
    "the types of the columns are guesses of the cache: 'NA' counts as missing, and 007 is 7; "
    "learner.data.path takes the files as they are"
)


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
    (train, guessed), (test, guessed_test) = (
        _read(name, hub_set, splits) for splits in ((hub_set.train,), hub_set.tests)
    )
    return RawTables(KEY, train, test, files=_GUESSED if guessed or guessed_test else "")


def _read(name: str, hub_set: HubSet, splits: Sequence[str]) -> tuple[pd.DataFrame, bool]:
    """Return the table of the first split that the set has, and whether its types are guesses."""
    problem = ""
    for split in splits:
        try:
            return _load(hub_set, split)
        # Each format of a data set raises its own errors.
        except Exception as error:
            cause = _cause(error)
            reason = one_line(cause, limit=150)
            problem = (
                problem
                or f"'{name}' cannot be loaded ({reason}); learner.data.path takes a local copy"
            )
            # A split that is there and cannot be loaded is not replaced by another one.
            if split == splits[-1] or not _NO_SPLIT.search(str(cause)):
                unreached = is_unreached(error)
                raise LearnerInputError(KEY, problem, unreached=unreached) from error
    raise AssertionError("there is a split")


def _load(hub_set: HubSet, split: str) -> tuple[pd.DataFrame, bool]:
    """Return a split as a table, and whether the types of its columns are guesses of the cache.

    Images stay encoded, and come from files of their own, too.
    """
    import datasets
    from datasets.table import embed_table_storage

    load = partial(
        datasets.load_dataset,
        hub_set.repository,
        hub_set.configuration,
        split=split,
        cache_dir=os.environ.get("HF_DATASETS_CACHE"),
    )
    guessed = False
    with _quiet():
        loaded = load()
        if loaded.info.builder_name == "csv":
            # Words stay words: "NA" is not missing, and 007 is not 7. A cache that was filled by
            # others has the columns as they were guessed, and their files may be out of reach.
            try:
                words = {name: datasets.Value("string") for name in loaded.features}
                loaded = load(keep_default_na=False, features=datasets.Features(words))
            except Exception:  # noqa: BLE001  # whatever the files of a cache make it raise
                guessed = True
        # Images stay encoded: a decoded set would not fit into memory.
        table = loaded.with_format("arrow")[:]
        if any(isinstance(feature, datasets.Image) for feature in loaded.features.values()):
            table = embed_table_storage(table)
        table.validate(full=True)
    return table.replace_schema_metadata(None).to_pandas(), guessed


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars and logs of ``datasets`` off stderr, where they would stand before an error."""
    import datasets
    from datasets.utils import are_progress_bars_disabled

    verbosity, bars = datasets.logging.get_verbosity(), not are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if bars:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


def _cause(error: BaseException) -> BaseException:
    """Return the error from which a library's general one comes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
