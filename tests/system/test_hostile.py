"""Hostile inputs: nothing of another person runs, writes, deletes or listens.

The cases stand in ``hostile_runs`` (run directories, stores, memory) and ``hostile_parts`` (models,
reports, plug-ins, addresses, signals); ``support.hostile.Case`` explains a row.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fork_server import ForkServer
from support.hostile import Case, check, make_template
from support.hostile_parts import PART_CASES
from support.hostile_runs import RUN_CASES

CASES = (*RUN_CASES, *PART_CASES)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as process:
        yield process


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "template"
    make_template(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_input_is_one_line_and_touches_nothing(
    case: Case, template: Path, tmp_path: Path, server: ForkServer
) -> None:
    check(case, template, tmp_path / "scene", server)


def test_the_table_covers_the_twelve_kinds() -> None:
    kinds = Counter(case.kind for case in CASES)

    assert set(kinds) <= set(range(1, 13))
    assert len({str(case) for case in CASES}) == len(CASES), "a name is given twice"
