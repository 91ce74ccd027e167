"""Fixtures of the tests of runs: scenario files, the command line, and a tiny learner."""

from pathlib import Path

import pytest

from coupling.cli.app import main
from support.command_line import LEARNER, NETWORK, Airtune, Answer


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
    """Return a ``[learner]`` table with a tiny random BERT and 160 sentences."""
    pytest.importorskip("torch")
    from support.tiny_bert import save_sentences, save_tiny_bert

    folder = tmp_path_factory.mktemp("tiny")
    return f"""
[learner]
model = {str(save_tiny_bert(folder / "model"))!r}
pooling = "mean"
lora = {{ rank = 2, alpha = 4, targets = ["query", "value"] }}
optimizer = {{ kind = "sgd", lr = 0.1 }}
batch_size = 4
evaluate_every = 2
max_tokens = 16
data = {{ path = {str(save_sentences(folder / "data", test=40))!r} }}
"""


@pytest.fixture(scope="session")
def tiny_learner_table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return the ``[learner]`` table of a tiny random BERT on made-up sentences."""
    from support.small_runs import learner_table

    return learner_table(tmp_path_factory.mktemp("tiny"))
