"""Fuzz test of the files of others: mutants end in one line, and change nothing outside.

`make fuzz` draws from the same mutations for an hour. Here the draws are the same in every run.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.fuzz import Fuzzer
from support.fuzz_kinds import KINDS
from support.outside import Outside


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    with Fuzzer(tmp_path_factory.mktemp("fuzz"), learning=False) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(random=st.randoms(use_true_random=True))
def test_a_mutant_ends_in_one_line(kind: str, fuzzer: Fuzzer, random: Random) -> None:
    trial = fuzzer.trial(kind, random)

    assert not trial.problems, f"{trial.command}: {trial.problems}\n{trial.end}"


def test_writing_calls_outside_of_a_folder_are_noted(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "link").symlink_to(tmp_path / "victim")
    notes = tmp_path / "notes"
    with notes.open("wb") as file:
        hook = Outside((str(place),), file.fileno())
        hook("open", (str(place / "new"), "w", os.O_WRONLY))
        hook("open", (str(tmp_path / "victim"), "r", os.O_RDONLY))
        hook("open", (str(place / "link"), "w", os.O_WRONLY | os.O_NOFOLLOW))
        hook("os.rename", (str(place / "a"), str(place / "b"), -1, -1))
        assert not notes.read_bytes()

        hook("open", (str(place / "link"), "w", os.O_WRONLY))
        hook("os.remove", (str(place / ".." / "victim"), -1))
        hook("subprocess.Popen", (str(place / "program"), [], None, None))

    assert [line.split()[0] for line in notes.read_text().splitlines()] == [
        "open",
        "os.remove",
        "subprocess.Popen",
    ]
