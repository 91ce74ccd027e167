"""A tiny learner for the tests of runs."""

from pathlib import Path

import pytest
from support.small_runs import learner_table


@pytest.fixture(scope="session")
def tiny_learner(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return the ``[learner]`` table of a tiny random BERT on made-up sentences."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    return learner_table(folder)
