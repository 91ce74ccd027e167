"""A folder with two scenario files to work in, the command line, and a tiny model with its data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.command_line import LEARNER, NETWORK, Airtune, Answer

from coupling.cli.app import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: it holds ``network.toml``, and ``learning.toml`` with a
    learner.
    """
    (tmp_path / "network.toml").write_text(NETWORK)
    (tmp_path / "learning.toml").write_text(NETWORK + LEARNER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def airtune(capsys: pytest.CaptureFixture[str]) -> Airtune:
    """Return the command line, in this process."""

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        status = main(list(arguments))
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny_learner(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a ``[learner]`` table with a random BERT of two narrow layers and 160 sentences."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    words = [f"word{n}" for n in range(40)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    shape = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.BertModel(shape).save_pretrained(folder)
    random = np.random.Generator(np.random.Philox(7))
    for name, count in (("train", 120), ("validation", 40)):
        texts = [" ".join(random.choice(words, random.integers(1, 12))) for _ in range(count)]
        table = pd.DataFrame({"sentence": texts, "label": [n % 2 for n in range(count)]})
        table.to_parquet(folder / f"{name}.parquet")
    return f"""
[learner]
model = {str(folder)!r}
pooling = "mean"
lora = {{ rank = 2, alpha = 4, targets = ["query", "value"] }}
optimizer = {{ kind = "sgd", lr = 0.1 }}
batch_size = 4
evaluate_every = 2
max_tokens = 16
data = {{ path = {str(folder)!r} }}
"""
