"""Fixtures of the learner tests: a tiny BERT, its data, and run-time checks of shapes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

with install_import_hook("learner", "beartype.beartype"):
    import learner.split_learner  # noqa: F401  (imported here first, so that it is the checked one)

from support.tiny_learner import (
    CLASSES,
    TINY,
    VOCABULARY,
    Make,
    PhiloxStreams,
    sentence,
    write_parquet,
)
from transformers import BertConfig, BertModel, BertTokenizerFast

from learner.settings import LearnerSettings


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one cache for all tests, apart from the user's own."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.getbasetemp() / "datasets-cache"))


@pytest.fixture
def rng() -> PhiloxStreams:
    return PhiloxStreams(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a random BERT, its weights so large that no gradient is 0."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(BertConfig(**TINY, initializer_range=0.5)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of 120 training and 30 test sentences; each class has its own words."""
    folder = tmp_path_factory.mktemp("tiny-data")
    random = np.random.Generator(np.random.Philox(7))
    for name, count in (("train.parquet", 120), ("validation.parquet", 30)):
        labels = [n % CLASSES for n in range(count)]
        write_parquet(
            folder, name, sentence=[sentence(random, label) for label in labels], label=labels
        )
    return folder


@pytest.fixture
def make_settings(tiny_model: Path, tiny_data: Path) -> Make:
    """Return a factory of settings: the tiny model in float64, with the changes of a test."""

    def make(**changes: object) -> LearnerSettings:
        table: dict[str, object] = {
            "model": str(tiny_model),
            "pooling": "pooler",
            "lora": {"rank": 2, "alpha": 4, "targets": ["query", "value", "pooler.dense"]},
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "batch_size": 4,
            "evaluate_every": 1,
            "max_tokens": 16,
            "data": {"path": str(tiny_data)},
            "heads": {"init": "per_device"},
            "micro_batch_tokens": 64,
            "precision": "float64",
        }
        return LearnerSettings.model_validate(table | changes)

    return make
