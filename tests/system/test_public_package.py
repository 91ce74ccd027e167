"""Public package ``airtune``: what it exports, and foreign packages of the same names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.small_runs import ROOT, assert_same_tables, network

import airtune
import analysis
import coupling
from coupling.cli import main
from netsim.scheduling import create


def test_a_run_has_the_same_tables_in_memory_and_on_disk(tmp_path: Path) -> None:
    scenario = network(tmp_path)

    memory = airtune.run(scenario)
    disk = airtune.run(scenario, tmp_path / "run")
    loaded = airtune.load(tmp_path / "run")

    assert isinstance(memory, analysis.Run)
    for name in ("rounds", "devices", "transfers", "decisions", "evaluations", "shares"):
        columns = [column for column in getattr(disk, name) if not column.endswith("wall_s")]
        assert getattr(memory, name)[columns].equals(getattr(disk, name)[columns]), name
        assert getattr(loaded, name).equals(getattr(disk, name)), name
    assert analysis.summary(memory)["scheduled_mean"] == analysis.summary(disk)["scheduled_mean"]


def test_a_run_without_a_directory_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = network(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    result = coupling.run(scenario, policy=create("all_in"), on_round=lambda record: None)

    assert (result.rounds.scheduled == scenario.devices.count).all()
    assert list((tmp_path / "here").iterdir()) == []
    with pytest.raises(TypeError, match="has no directory"):
        analysis.load(result)  # type: ignore[arg-type]


def test_stop_ends_a_run_in_memory_with_its_rounds(tmp_path: Path) -> None:
    rounds: list[int] = []

    run = airtune.run(
        network(tmp_path),
        on_round=lambda record: rounds.append(record.round),
        stop=lambda: len(rounds) == 3,
    )

    assert run.rounds["round"].tolist() == [1, 2, 3]


def test_sweep_and_compare_return_tables(tmp_path: Path) -> None:
    scenario = network(tmp_path)

    rows = airtune.sweep(scenario, {"devices.count": [2, 3]}, [1, 2], out=tmp_path / "s", jobs=1)
    table = airtune.compare(scenario, ["exact", "all_in"], range(2), out=tmp_path / "c")

    assert rows.state.tolist() == ["finished"] * 4
    assert rows["devices.count"].tolist() == [2, 2, 3, 3]
    assert np.isfinite(rows.scheduled_mean).all()
    assert table.policy.tolist() == ["exact", "all_in"]


def test_resume_and_the_version_are_exported(tmp_path: Path) -> None:
    rounds: list[int] = []
    with pytest.raises(coupling.scenario.errors.Interrupted):
        airtune.run(
            network(tmp_path),
            tmp_path / "run",
            on_round=lambda record: rounds.append(record.round),
            stop=lambda: len(rounds) == 3,
        )

    assert len(airtune.resume(tmp_path / "run").rounds) == 12
    assert_same_tables(tmp_path / "run", coupling.run(network(tmp_path), tmp_path / "whole"))
    assert airtune.__version__.count(".") == 2


@pytest.mark.parametrize("name", ["netsim", "learner", "analysis"])
@pytest.mark.parametrize("program", ["import airtune", "from coupling.cli import main; main()"])
def test_a_foreign_package_is_named_in_one_line(tmp_path: Path, name: str, program: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('foreign code has run')\n")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; {program}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    line = done.stderr.strip().splitlines()[-1].removeprefix("ImportError: ")
    start = f"{tmp_path}/{name}/__init__.py: shadows airtune's package '{name}'"
    assert line.startswith(start)
    assert "foreign code has run" not in done.stderr
    if "main" in program:
        assert len(done.stderr.splitlines()) == 1


def test_a_foreign_coupling_is_named_by_the_public_package(tmp_path: Path) -> None:
    (tmp_path / "coupling").mkdir()
    (tmp_path / "coupling" / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import airtune"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert f"{tmp_path}/coupling/__init__.py: shadows airtune's package 'coupling'" in done.stderr


def test_the_command_line_runs_where_no_package_is_shadowed() -> None:
    assert main(["schema"]) == 0
