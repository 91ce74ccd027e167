"""Hostile inputs: nothing of another person runs, writes, deletes or listens.

The cases stand in ``hostile_runs`` (run directories, stores, memory) and ``hostile_parts`` (models,
reports, plug-ins, addresses, signals); ``support.hostile.Case`` explains a row.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fork_server import ForkServer
from support.hostile import Case, Scene, add_learning, check, make_template
from support.hostile_parts import PART_CASES
from support.hostile_runs import RUN_CASES

CASES = (*RUN_CASES, *PART_CASES)
LEARNING = ("learner.split_learner", "transformers.models.bert.modeling_bert")
COMMANDS = (
    *("resume", "sweep", "ls", "report", "timeline", "figures", "record", "validate", "export"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(LEARNING) as process:
        yield process


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "template"
    make_template(folder)
    add_learning(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_input_is_one_line_and_touches_nothing(
    case: Case, template: Path, tmp_path: Path, server: ForkServer
) -> None:
    check(case, template, tmp_path / "scene", server)


def test_the_table_covers_the_twelve_kinds_and_every_command() -> None:
    kinds = Counter(case.kind for case in CASES)

    assert len(CASES) >= 120
    assert set(kinds) == set(range(1, 13))
    assert {case.command[0] for case in CASES} == {*COMMANDS, "run"}
    assert len({str(case) for case in CASES}) == len(CASES), "a name is given twice"


def test_the_checks_of_the_table_can_fail(
    template: Path, tmp_path: Path, server: ForkServer
) -> None:
    """A case whose code runs, whose canary changes, and whose page has a link."""

    def build(scene: Scene) -> None:
        body = f"open({str(scene.canary / 'victim.txt')!r}, 'w').close()\n"
        body += "open('page.html', 'w').write('<a href=//evil.example>x</a>')\n"
        body += "import socket; socket.socket().bind(('0.0.0.0', 0))\n"
        (scene.folder / "evil.py").write_text(scene.code() + body)
        scene.write_scenario(scheduler={"kind": "evil:P", "delay_budget_s": 60.0})

    case = Case(7, "all", build, ("validate", "hostile.toml"), 0, "never said")

    with pytest.raises(AssertionError) as caught:
        check(case, template, tmp_path / "scene", server)

    text = str(caught.value)
    for fault in ("exit status 2", "sockets at", "foreign code ran", "page.html has", "outside of"):
        assert fault in text, fault
