"""Samples from the Hugging Face hub."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from learner.data.labelled import Labelled, from_frame
from learner.errors import InputError
from learner.settings import Columns

KEY = "learner.data.name"


@final
@dataclass(frozen=True, kw_only=True)
class HubSet:
    """A data set on the hub, and those of its splits that have labels."""

    repository: str = "nyu-mll/glue"
    configuration: str | None
    columns: Columns
    classes: int = 2
    train: str = "train"
    test: str = "validation"


def _glue(name: str, *text: str, classes: int = 2, train: str = "train", test: str = "validation") -> HubSet:
    columns = Columns(text=text)
    return HubSet(configuration=name, columns=columns, classes=classes, train=train, test=test)


HUB_SETS = MappingProxyType(
    {
        "sst2": _glue("sst2", "sentence"),
        # The labels of MRPC's test split are public; the paper's 4,076 training samples are the two others.
        "mrpc": _glue("mrpc", "sentence1", "sentence2", train="train+validation", test="test"),
        "qnli": _glue("qnli", "question", "sentence"),
        "rte": _glue("rte", "sentence1", "sentence2"),
        "cola": _glue("cola", "sentence"),
        "mnli": _glue("mnli", "premise", "hypothesis", classes=3, test="validation_matched"),
        "qqp": _glue("qqp", "question1", "question2"),
    }
)


def load_hub(name: str, hub_set: HubSet) -> tuple[Labelled, Labelled, int]:
    """Return training samples, test samples and the number of classes, from the hub or its cache."""
    return (
        _load_split(name, hub_set, hub_set.train),
        _load_split(name, hub_set, hub_set.test),
        hub_set.classes,
    )


def _load_split(name: str, hub_set: HubSet, split: str) -> Labelled:
    import datasets

    try:
        loaded = datasets.load_dataset(hub_set.repository, hub_set.configuration, split=split)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:150]
        problem = f"'{name}' cannot be loaded ({reason}); learner.data.path takes a local copy"
        raise InputError(KEY, problem) from error
    return from_frame(loaded.to_pandas(), hub_set.columns, hub_set.classes, key=KEY, split=split)
