"""Fixtures of the learner's tests: a tiny random BERT, its data, and settings that use both."""

from pathlib import Path

import numpy as np
import pytest

from learner.settings import LearnerSettings
from support.tiny_bert import CLASSES, save_tiny_bert
from support.tiny_learner import Make, PhiloxStreams, sentence, write_parquet


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep prepared data out of the user's cache, and from test to test."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.getbasetemp() / "datasets-cache"))


@pytest.fixture
def rng() -> PhiloxStreams:
    return PhiloxStreams(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a random BERT."""
    return save_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of 120 training and 30 test sentences of 1 to 19 words.

    Each class has its own words.
    """
    folder = tmp_path_factory.mktemp("tiny-data")
    random = np.random.Generator(np.random.Philox(7))
    for name, count in (("train.parquet", 120), ("validation.parquet", 30)):
        labels = [n % CLASSES for n in range(count)]
        sentences = [sentence(random, label) for label in labels]
        write_parquet(folder, name, sentence=sentences, label=labels)
    return folder


@pytest.fixture
def make_settings(tiny_model: Path, tiny_data: Path) -> Make:
    """Return a maker of settings: the tiny model in float64, with whatever a test wants
    otherwise.
    """

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
