"""Data sources: hub sets and folders in all supported formats."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.tiny_learner import PhiloxStreams
from support.tiny_models import picture
from transformers import AutoTokenizer

from learner.data import cache, load, tokenize
from learner.data import hub as hub_module
from learner.data.labelled import LabelledDataset
from learner.errors import LearnerInputError
from learner.settings import Columns, Data

FRAME = pd.DataFrame({"title": ["a", "b, c", 'd "e"'], "stars": ["bad", "good", "bad"]})
COLUMNS = Columns(text=("title",), label="stars", classes=("bad", "good"))
WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "parquet": lambda frame, file: frame.to_parquet(file),
    "csv": lambda frame, file: frame.to_csv(file, index=False),
    "jsonl": lambda frame, file: frame.to_json(file, orient="records", lines=True),
    "json": lambda frame, file: frame.to_json(file, orient="records"),
}
GLUE = """---
configs:
- config_name: sst2
  data_files:
  - {split: train, path: sst2/train-*}
  - {split: validation, path: sst2/validation-*}
- config_name: mrpc
  data_files:
  - {split: train, path: mrpc/train-*}
  - {split: validation, path: mrpc/validation-*}
  - {split: test, path: mrpc/test-*}
---
"""


def refused(data: Data) -> tuple[str, str]:
    with pytest.raises(LearnerInputError) as caught:
        load(data, PhiloxStreams(1))
    assert "\n" not in caught.value.problem
    return caught.value.key, caught.value.problem


@pytest.mark.parametrize("ending", WRITERS)
def test_a_folder_may_hold_any_of_the_usual_formats(
    tmp_path: Path, rng: PhiloxStreams, ending: str
) -> None:
    for split in ("train", "validation"):
        WRITERS[ending](FRAME, tmp_path / f"{split}.{ending}")

    labelled, test, classes = load(Data(path=str(tmp_path), columns=COLUMNS), rng)

    assert labelled.texts == (["a", "b, c", 'd "e"'],)
    assert labelled.labels.tolist() == test.labels.tolist() == [0, 1, 0]
    assert classes == 2


def test_json_with_one_object_per_line_is_read_too(tmp_path: Path, rng: PhiloxStreams) -> None:
    for split in ("train", "test"):
        WRITERS["jsonl"](FRAME, tmp_path / f"{split}.json")

    assert load(Data(path=str(tmp_path), columns=COLUMNS), rng)[0].texts == (
        ["a", "b, c", 'd "e"'],
    )


def test_a_class_that_has_no_name_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        WRITERS["csv"](FRAME, tmp_path / f"{split}.csv")
    columns = COLUMNS.model_copy(update={"classes": ("bad", "fair")})

    assert refused(Data(path=str(tmp_path), columns=columns)) == (
        "learner.data.path",
        "label 'good' in row 1 of the train split is not one of: bad, fair",
    )


def test_the_column_of_a_partition_must_be_there(tmp_path: Path) -> None:
    for split in ("train", "test"):
        WRITERS["csv"](FRAME, tmp_path / f"{split}.csv")
    data = {"path": str(tmp_path), "columns": COLUMNS.model_dump()}

    by_writer = Data.model_validate(data | {"partition": {"kind": "by_column", "column": "writer"}})

    assert refused(by_writer) == (
        "learner.data.path",
        "the train split has no column 'writer'; there are: title, stars",
    )
    by_title = Data.model_validate(data | {"partition": {"kind": "by_column", "column": "title"}})
    groups = load(by_title, PhiloxStreams(1))[0].groups
    assert groups is not None
    assert groups.tolist() == [0, 1, 2]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which a hub id is that of a local copy, in the layout of the hub."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for configuration, columns in (("sst2", ["sentence"]), ("mrpc", ["sentence1", "sentence2"])):
        folder = tmp_path / "nyu-mll" / "glue" / configuration
        folder.mkdir(parents=True)
        for split, count in (("train", 6), ("validation", 4), ("test", 2)):
            texts = {name: [f"{name} {split} {n}" for n in range(count)] for name in columns}
            frame = pd.DataFrame(texts | {"label": np.arange(count) % 2, "idx": np.arange(count)})
            frame.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    (tmp_path / "nyu-mll" / "glue" / "README.md").write_text(GLUE)
    return tmp_path


def test_glue_is_loaded_by_its_hub_name(hub: Path, rng: PhiloxStreams) -> None:
    labelled, test, classes = load(Data(name="sst2"), rng)

    assert labelled.texts == ([f"sentence train {n}" for n in range(6)],)
    assert test.texts == ([f"sentence validation {n}" for n in range(4)],)
    assert (labelled.labels.tolist(), classes) == ([0, 1] * 3, 2)


def test_mrpc_learns_from_two_splits_and_is_tested_on_the_third(
    hub: Path, rng: PhiloxStreams
) -> None:
    labelled, test, _ = load(Data(name="mrpc"), rng)

    assert (len(labelled), len(test), len(labelled.texts)) == (10, 2, 2)
    assert labelled.texts[1][6] == "sentence2 validation 0"


def test_cifar_is_loaded_by_its_hub_name_without_decoding(hub: Path, rng: PhiloxStreams) -> None:
    random = rng("pictures")
    for name, label in (("cifar10", "label"), ("cifar100", "fine_label")):
        folder = hub / "uoft-cs" / name
        folder.mkdir(parents=True)
        for split, count in (("train", 6), ("test", 4)):
            images = [picture(random, n % 3) for n in range(count)]
            pd.DataFrame({"img": images, label: np.arange(count)}).to_parquet(
                folder / f"{split}.parquet"
            )

        labelled, test, classes = load(Data.model_validate({"name": name}), rng)

        assert (len(labelled), len(test), classes) == (6, 4, 10 if name == "cifar10" else 100)
        assert labelled.images[0].startswith(b"\x89PNG")
        assert labelled.labels.tolist() == list(range(6))


def test_any_set_is_loaded_by_its_hub_id(hub: Path, rng: PhiloxStreams) -> None:
    shutil.copytree(hub / "nyu-mll" / "glue" / "mrpc", hub / "someone" / "pairs")
    columns = Columns(text=("sentence2",), label="label")

    labelled, test, _ = load(Data(name="someone/pairs"), rng)
    part, other, _ = load(
        Data(name="someone/pairs", columns=columns, train_split="train[:4]", test_split="test"), rng
    )

    assert (len(labelled.texts), len(labelled), len(test)) == (2, 6, 4)
    assert part.texts == ([f"sentence2 train {n}" for n in range(4)],)
    assert len(other) == 2


def test_a_missing_hub_set_is_refused(hub: Path) -> None:
    key, problem = refused(Data(name="missing/nothing"))

    assert key == "learner.data.name"
    assert problem.startswith("'missing/nothing' cannot be loaded (")
    assert problem.endswith("); learner.data.path takes a local copy")
    assert refused(Data(name="nyu-mll/glue", configuration="sst3"))[0] == "learner.data.name"


def test_a_test_split_that_cannot_be_loaded_is_not_replaced(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(hub / "nyu-mll" / "glue" / "sst2", hub / "someone" / "films")
    load_split = hub_module._load

    def broken(hub_set: hub_module.HubSet, split: str) -> tuple[pd.DataFrame, bool]:
        if split == "validation":
            raise ConnectionError("the hub does not answer")
        return load_split(hub_set, split)

    monkeypatch.setattr(hub_module, "_load", broken)

    key, problem = refused(Data(name="someone/films"))

    assert key == "learner.data.name"
    assert problem.startswith("'someone/films' cannot be loaded (the hub does not answer)")


def test_a_set_without_validation_split_is_tested_on_the_other(
    hub: Path, rng: PhiloxStreams
) -> None:
    folder = hub / "someone" / "two"
    shutil.copytree(hub / "nyu-mll" / "glue" / "sst2", folder)
    next(folder.glob("validation-*")).unlink()

    test = load(Data(name="someone/two"), rng)[1]

    assert test.texts == (["sentence test 0", "sentence test 1"],)


def test_csv_of_the_hub_that_only_a_cache_has_is_reported(
    hub: Path, rng: PhiloxStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    folder = hub / "someone" / "table"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text("text,label\nNA,0\n007,1\n")

    asked = load(Data(name="someone/table"), rng)[0]
    load_dataset = datasets.load_dataset

    def cached(*arguments: object, **options: object) -> object:
        if "features" in options:
            raise ConnectionError
        return load_dataset(*arguments, **options)

    monkeypatch.setattr(datasets, "load_dataset", cached)
    (folder / "train.csv").write_text("text,label\na,0\nb,1\n")
    (folder / "test.csv").write_text("text,label\na,0\nb,1\n")
    guessed = load(Data(name="someone/table"), rng)[0]

    assert (asked.texts, asked.files) == ((["NA", "007"],), "")
    assert guessed.files.startswith("the types of the columns are guesses of the cache")


def test_the_settings_of_datasets_are_as_before(hub: Path, rng: PhiloxStreams) -> None:
    import datasets
    from datasets.utils import are_progress_bars_disabled

    datasets.enable_progress_bars()
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity_info()
    try:
        load(Data(name="sst2"), rng)
        refused(Data(name="missing/nothing"))

        assert datasets.logging.get_verbosity() == datasets.logging.INFO
        assert not are_progress_bars_disabled()
    finally:
        datasets.logging.set_verbosity(verbosity)


def test_texts_are_tokenised_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MIN_TEXTS", 3)
    texts = ["word1 word2", "word3 " * 20, "word4 word5"]
    labelled = LabelledDataset((texts, texts[::-1]), np.array([0, 1, 1]))

    first = tokenize(
        labelled, AutoTokenizer.from_pretrained(tiny_model, trust_remote_code=False), 12
    )
    (file,) = (tmp_path / "airtune-tokens").iterdir()
    written = file.stat().st_mtime_ns
    again = tokenize(
        labelled, AutoTokenizer.from_pretrained(tiny_model, trust_remote_code=False), 12
    )

    for rows in (np.array([0]), np.array([2, 1])):
        for name, values in first.batch(rows).items():
            assert torch.equal(values, again.batch(rows)[name])
            assert values.dtype == torch.int64
    # Processes share the pages of a file that is mapped into memory.
    assert str(file) in Path("/proc/self/maps").read_text()
    assert [entry.stat().st_mtime_ns for entry in (tmp_path / "airtune-tokens").iterdir()] == [
        written
    ]


def test_other_texts_or_rules_are_tokenised_anew(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MIN_TEXTS", 1)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, trust_remote_code=False)
    labels = np.array([0, 1])

    def lengths(texts: tuple[list[str], ...], max_tokens: int = 12) -> list[int]:
        return tokenize(LabelledDataset(texts, labels), tokenizer, max_tokens).lengths.tolist()

    assert lengths((["word1 word2", "word3"],)) == [4, 3]
    assert lengths((["word1", "word2 word3"],)) == [3, 4]
    assert lengths((["word1 word2", "word3"],), 3) == [3, 3]
    assert len(list((tmp_path / "airtune-tokens").iterdir())) == 3
    assert lengths((["word1 word2"] * 2, ["word3"] * 2)) == [6, 6]


def test_a_damaged_or_unwritable_cache_is_no_harm(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MIN_TEXTS", 1)
    labelled = LabelledDataset((["word1 word2", "word3"],), np.array([0, 1]))
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, trust_remote_code=False)
    tokenize(labelled, tokenizer, 12)
    (file,) = (tmp_path / "airtune-tokens").iterdir()
    file.write_bytes(b"damaged")

    assert tokenize(labelled, tokenizer, 12).lengths.tolist() == [4, 3]

    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("HF_DATASETS_CACHE", os.fspath(blocked))
    assert tokenize(labelled, tokenizer, 12).lengths.tolist() == [4, 3]
