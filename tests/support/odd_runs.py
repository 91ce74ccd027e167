"""Odd tokenizers, names of run directories, and directories that a killed run has left."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import analysis
import coupling
from coupling import Scenario
from coupling.simulation.run import resume
from learner.data import LabelledDataset, tokenize
from learner.data.tables.origin import Origin
from support.odd_inputs import OddInput, refused
from support.small_runs import network

VOCABULARY = {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5}


def tokens(
    *columns: list[str], padding: bool = True, specials: bool = True, segments: int | None = None
) -> Any:
    """Return the reader of texts with a tokenizer of two words: the tokens of the samples."""

    def read(folder: Path) -> object:
        rules = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
        rules.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        if specials:
            rules.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]",
                pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
            )
        pad = {"pad_token": "[PAD]"} if padding else {}
        read_columns = ["input_ids", "token_type_ids", "attention_mask"]
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=rules, model_input_names=read_columns, **pad
        )
        labels = np.arange(len(columns[0])) % 2
        rows = np.arange(len(labels)) + 10
        labelled = LabelledDataset(columns, labels, origin=Origin("test"), rows=rows)
        made = tokenize(labelled, tokenizer, 6, segments=segments)
        return made.batch(np.arange(len(labels)))["input_ids"].tolist()

    return read


TOKENS = [
    OddInput(
        "tokens",
        "no padding token, for pairs",
        tokens(["a"], ["b"], padding=False),
        refused("learner.model: its tokenizer has no padding token", "tokenizer_config.json"),
    ),
    OddInput(
        "tokens",
        "padding that is not 0",
        tokens(["a b", "b"]),
        [[2, 4, 5, 3], [2, 5, 3, 1]],
    ),
    OddInput(
        "tokens",
        "a text of blanks in the last row of the test split",
        tokens(["a", "b", " \u2003 "], specials=False),
        refused("learner.data.columns.text: the text in row 12 of the test split becomes no token"),
    ),
    OddInput(
        "tokens",
        "an empty text beside special tokens",
        tokens(["", "a"]),
        [[2, 3, 1], [2, 4, 3]],
    ),
    OddInput(
        "tokens",
        "two empty texts of a pair without special tokens",
        tokens(["a", ""], ["b", ""], specials=False),
        refused("the text in row 11 of the test split becomes no token: '', ''"),
    ),
    OddInput(
        "tokens",
        "a pair whose first text is empty",
        tokens(["", "a"], ["b", ""], specials=False),
        [[5], [4]],
    ),
    OddInput(
        "tokens",
        "pairs, and a model of one segment",
        tokens(["a", "b"], ["b", "a"], segments=1),
        refused("the tokenizer marks 2 segments, and the model knows 1"),
    ),
    OddInput(
        "tokens", "single texts, and a model of one segment", tokens(["a"], segments=1), [[2, 4, 3]]
    ),
    OddInput(
        "tokens",
        "a text of 50,000 words",
        tokens(["a " * 50_000]),
        [[2, 4, 4, 4, 4, 3]],
    ),
]


def run_into(name: str) -> Any:
    """Return the runner into a directory of that name: the rounds that are in it."""

    def read(folder: Path) -> object:
        coupling.run(network(folder, rounds=2), name, learning=False)
        return [len(analysis.load(name).rounds), sorted(path.name for path in folder.iterdir())[0]]

    return read


NAMES = [
    OddInput("names", "a drive", run_into("D:run"), [2, "D:run"]),
    OddInput("names", "the scheme of a store", run_into("gs:run"), [2, "gs:run"]),
    OddInput("names", "a file below a scheme", run_into("hdfs:a/b"), [2, "hdfs:a"]),
    OddInput("names", "a question mark and a number sign", run_into("a?b#c"), [2, "a?b#c"]),
    OddInput("names", "percent and a code", run_into("a%20b"), [2, "a%20b"]),
    OddInput("names", "brackets of a style", run_into("[bold]x[/bold]"), [2, "[bold]x["]),
    OddInput("names", "stars, as in a pattern", run_into("*[!a]*"), [2, "*[!a]*"]),
    OddInput("names", "a letter beyond 16 bits", run_into("\U0001f984"), [2, "small.toml"]),
    OddInput("names", "a line break", run_into("a\nb"), [2, "a\nb"]),
    OddInput(
        "names", "half of a character", run_into("a\udc80"), refused("--out a\\udc80: is not UTF-8")
    ),
    OddInput(
        "names", "300 letters", run_into("n" * 300), refused("cannot be used: file name too long")
    ),
]


def left_behind(
    leave: Callable[[Path, Path], object], then: Callable[[Scenario, Path], int]
) -> Any:
    """Return the reader of a directory that a run has left, from the files of a whole run."""

    def read(folder: Path) -> object:
        scenario = network(folder, rounds=3, every=1)
        whole = folder / "whole"
        coupling.run(scenario, whole, learning=False)
        left = folder / "left"
        left.mkdir()
        leave(whole, left)
        return then(scenario, left)

    return read


def run_again(scenario: Scenario, folder: Path) -> int:
    coupling.run(scenario, folder, learning=False)
    resume(folder)
    return len(analysis.load(folder).rounds)


def resume_it(scenario: Scenario, folder: Path) -> int:
    resume(folder)
    return len(analysis.load(folder).rounds)


def load_it(scenario: Scenario, folder: Path) -> int:
    return len(analysis.load(folder).rounds) + len(analysis.load(folder).devices)


def _begun(whole: Path, left: Path) -> None:
    """Leave what a run has written before its first round."""
    text = (whole / "provenance.json").read_text()
    begun = text.replace('"finished"', '"running"').replace('"round": 3', '"round": 0')
    (left / "provenance.json").write_text(begun)
    shutil.copy(whole / "scenario.toml", left)


def _begun_with_tables(whole: Path, left: Path) -> None:
    _begun(whole, left)
    (left / "rounds").mkdir()
    (left / "devices").mkdir()


def _cut_part(whole: Path, left: Path) -> None:
    _begun_with_tables(whole, left)
    (left / "rounds" / "part-000000.partial").write_bytes(b"PAR1")


def _begun_with_another_scenario(whole: Path, left: Path) -> None:
    _begun_with_tables(whole, left)
    text = (left / "scenario.toml").read_text()
    (left / "scenario.toml").write_text(text.replace("seed = 1\n", "seed = 2\n"))


def _cut_provenance(whole: Path, left: Path) -> None:
    (left / ".lock").touch()
    (left / "provenance.json.partial").write_text("{")


def _first_checkpoint(whole: Path, left: Path) -> None:
    _cut_part(whole, left)
    (left / "checkpoint.new").mkdir()


LEFT = [
    OddInput(
        "killed",
        "an empty lock, run",
        left_behind(lambda _, left: (left / ".lock").touch(), run_again),
        3,
    ),
    OddInput(
        "killed",
        "before the provenance had its name, run",
        left_behind(_cut_provenance, run_again),
        3,
    ),
    OddInput("killed", "before the first table, run", left_behind(_begun, run_again), 3),
    OddInput("killed", "before the first table, resumed", left_behind(_begun, resume_it), 3),
    OddInput("killed", "before the first table, loaded", left_behind(_begun, load_it), 0),
    OddInput("killed", "with empty tables, run", left_behind(_begun_with_tables, run_again), 3),
    OddInput("killed", "with empty tables, loaded", left_behind(_begun_with_tables, load_it), 0),
    OddInput("killed", "within the first part, resumed", left_behind(_cut_part, resume_it), 3),
    OddInput("killed", "within the first part, loaded", left_behind(_cut_part, load_it), 0),
    OddInput(
        "killed",
        "within the first checkpoint, resumed",
        left_behind(_first_checkpoint, resume_it),
        3,
    ),
    OddInput(
        "killed",
        "with another scenario, run",
        left_behind(_begun_with_another_scenario, run_again),
        3,
    ),
    OddInput(
        "killed",
        "beside a file of the user",
        left_behind(lambda _, left: (left / "notes.txt").touch(), run_again),
        refused("left: is not empty; name a new directory"),
    ),
]
RUNS = [*TOKENS, *NAMES, *LEFT]
