"""Model directories of other people: no code of theirs runs, no question is asked, one line."""

import ast
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.small_runs import ROOT
from support.tiny_learner import Make, PhiloxStreams
from support.tiny_models import edit_json
from transformers import BertConfig, BertForMaskedLM

from learner.adapter_files.loader import loader
from learner.errors import LearnerInputError
from learner.split_learner import SplitLearner, build

LORA = {"rank": 2, "alpha": 4}
DEEP = "[" * 100_000 + "]" * 100_000
INDEX = "model.safetensors.index.json"
RELATIVE = "encoder.layer.0.attention.self.distance_embedding.weight"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of a working model, beside a file of weights that is none of its own."""
    shutil.copytree(tiny_model, tmp_path / "model")
    shutil.copy(tiny_model / "model.safetensors", tmp_path / "outside.safetensors")
    return tmp_path / "model"


@pytest.fixture(autouse=True)
def yes(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Answer each question with ``y``; a test fails where one was asked."""
    stream = io.StringIO("y\n" * 100)
    monkeypatch.setattr(sys, "stdin", stream)
    yield stream
    assert stream.tell() == 0, "a question was asked"


def built(make_settings: Make, folder: Path) -> SplitLearner:
    settings = make_settings(model=str(folder), pooling="mean", lora=LORA)
    return build(settings, 6, PhiloxStreams(1))


def config(**changes: object) -> Callable[[Path], object]:
    return lambda folder: edit_json(folder / "config.json", **changes)


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def index(name: object) -> Callable[[Path], None]:
    """Return the change that moves the weights behind an index with this name."""

    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        entries = dict.fromkeys(weights, name)
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": entries}))

    return change


def pickled(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a list": (text("config.json", "[]"), "it is no JSON object"),
    "nested deeply": (text("config.json", '{"a": ' + DEEP + "}"), "recursion limit exceeded"),
    "nested": (config(id2label=[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]), "it is nested too deeply"),
    "17 MB": (text("config.json", " " * 17 * 2**20), "17,825,792 bytes, more than 16,777,216"),
    "a pipe": (pipe("config.json"), "has no config.json"),
    "no type": (config(model_type=7), "it has no model_type, which is a text"),
    "layers": (config(num_hidden_layers=10**8), "num_hidden_layers = 100000000 is not from"),
    "a number without end": (text("config.json", '{"a": ' + "9" * 9999 + "}"), "config.json"),
    "width": (config(hidden_size=10**6), "of this machine|this machine has"),
    "width beyond the files": (config(hidden_size=64), "asks for .* weights or more, and its"),
    "types": (config(type_vocab_size=10**6), "asks for .* weights or more, and its files"),
    "no heads": (config(num_attention_heads=-1), "its sizes do not fit: a size is not positive"),
    "a layer in words": (config(num_hidden_layers="two"), "num_hidden_layers"),
    "a size that is none": (config(hidden_size=None), "hidden_size"),
    "not a number": (config(layer_norm_eps=float("nan")), "layer_norm_eps = nan is not from"),
    "an activation of theirs": (config(hidden_act="os.system"), "cannot be loaded: 'os.system'"),
    "other packages": (config(quantization_config={"load_in_4bit": True}), "quantization_config"),
    "other weights": (config(transformers_weights="../outside.safetensors"), "reads model.safe"),
    "an adapter": (text("adapter_config.json", "{}"), "holds an adapter"),
    "a pickle": (pickled, "has no model.safetensors; weights in other files, as pickles"),
    "an index that leads out": (index("../outside.safetensors"), "is not a safetensors file of"),
    "an absolute index": (index("/etc/outside.safetensors"), "is not a safetensors file of its"),
    "an index of another system": (index("..\\outside.safetensors"), "is not a safetensors file"),
    "an index of numbers": (index(7), "7 is not a safetensors file of its directory"),
    "an index of a pickle": (index("pytorch_model.bin"), "'pytorch_model.bin' is not a safeten"),
    "an index of nothing": (index("model-1.safetensors"), "no such file"),
    "no index": (lambda folder: (index("x")(folder), text(INDEX, "{}")(folder)), "no weight_map"),
    "a deep index": (
        lambda folder: (index("x")(folder), text(INDEX, DEEP)(folder)),
        "recursion limit exceeded",
    ),
    "a header of 2^63 bytes": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x7f" + b"{" * 9),
        "weights or more",
    ),
    "an empty vocabulary": (text("tokenizer.json", "{}"), "no tokenizer that can be loaded"),
    "a deep vocabulary": (text("tokenizer.json", DEEP), "no tokenizer that can be loaded"),
    "a pipe of a tokenizer": (pipe("added_tokens.json"), "it is no regular file"),
    "a class of theirs": (
        lambda folder: edit_json(folder / "tokenizer_config.json", tokenizer_class=[1]),
        "no tokenizer that can be loaded",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_model_is_refused_in_one_line(
    name: str, make_settings: Make, folder: Path
) -> None:
    change, says = CASES[name]
    change(folder)

    with pytest.raises(LearnerInputError, match=rf"(?i)^learner\.model: .*({says})") as caught:
        built(make_settings, folder)

    line = str(caught.value).replace(str(folder), "")
    assert len(line) < 500
    assert line.isprintable()


def code(folder: Path) -> Path:
    """Write a module that leaves a marker where it is imported; return the marker's path."""
    marker = folder.parent / "marker"
    (folder / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
        "from transformers import BertConfig as Evil\n"
    )
    return marker


AUTO_MAP = dict.fromkeys(
    ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoImageProcessor"), "evil.Evil"
)


@pytest.mark.parametrize("kind", ["bert", "evil", "../evil", "\x1b[31m"])
def test_code_of_a_model_never_runs(kind: str, make_settings: Make, folder: Path) -> None:
    marker = code(folder)
    edit_json(folder / "config.json", model_type=kind, auto_map=AUTO_MAP)
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})

    if kind == "bert":
        assert built(make_settings, folder).evaluate().accuracy
    else:
        known = "known are: bert, .*; 'airtune docs adding-a-model' shows how to add one"
        with pytest.raises(LearnerInputError, match=known):
            built(make_settings, folder)

    assert not marker.exists()


@pytest.mark.parametrize("headed", [False, True])
def test_unused_weights_of_an_encoder_are_named(
    headed: bool, make_settings: Make, folder: Path
) -> None:
    if headed:
        tiny = BertConfig.from_pretrained(folder, trust_remote_code=False)
        BertForMaskedLM(tiny).save_pretrained(folder)
        assert built(make_settings, folder).evaluate().accuracy, (
            "its head is no part of the encoder"
        )
    weights = load_file(folder / "model.safetensors")
    prefix = "bert." if headed else ""
    weights[f"{prefix}{RELATIVE}"] = torch.zeros(79, 8)
    weights[f"{prefix}embeddings.position_ids"] = torch.zeros(1, 40)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(LearnerInputError, match=rf"has 1 weights that its type .* is {RELATIVE};"):
        built(make_settings, folder)


def test_a_directory_of_links_is_read(make_settings: Make, folder: Path) -> None:
    blobs = folder.with_name("blobs")
    folder.rename(blobs)
    folder.mkdir()
    for file in blobs.iterdir():
        (folder / file.name).symlink_to(file)

    assert built(make_settings, folder).evaluate().accuracy


def test_weights_behind_an_index_are_read(make_settings: Make, folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "model-1.safetensors")
    whole = built(make_settings, folder).evaluate()
    index("model-1.safetensors")(folder)

    assert built(make_settings, folder).evaluate().loss == whole.loss


def calls(source: str) -> list[ast.Call]:
    """Return the calls of ``from_pretrained`` of another library in a Python text."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
        and ast.unparse(node.func.value) != "PeftModel"
    ]


def test_every_call_of_from_pretrained_refuses_code(make_settings: Make) -> None:
    sources = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for place in ("", "*/**/")
        for path in ROOT.glob(f"{place}*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
    for names in (("input_ids",), ("pixel_values",)):
        sources[f"load.py of {names}"] = loader(make_settings(), names, 0)
    found = {name: calls(source) for name, source in sources.items()}
    assert sum(map(len, found.values())) >= 15

    lax = [
        f"{name}: {ast.unparse(call)}"
        for name, several in found.items()
        for call in several
        if {word.arg: ast.unparse(word.value) for word in call.keywords}.get("trust_remote_code")
        != "False"
    ]

    assert lax == []
