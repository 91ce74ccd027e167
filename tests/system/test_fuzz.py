"""Fuzz test of the files of others: mutants end in one line, and change nothing outside.

`make fuzz` draws from the same mutations for an hour. Here the draws are the same in every run.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.fuzz import Fuzzer
from support.fuzz_kinds import KINDS


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
