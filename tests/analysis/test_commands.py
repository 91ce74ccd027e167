"""Commands figures, report and timeline: their files, and one line per wrong input."""

import json
import sys
from pathlib import Path

import pytest
from support.written_runs import four_rounds, write_run

from analysis.figures import ALIASES, FIGURES
from coupling.cli.app import main


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return four_rounds(tmp_path / "run", {"learner": {"optimizer": {"kind": "sgd", "lr": 0.1}}})


def test_figures_writes_both_files(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", "queue", str(run), "--out", str(tmp_path / "out")]) == 0

    assert capsys.readouterr().out.split() == [
        str(tmp_path / "out" / name) for name in ("queue.svg", "queue.png")
    ]
    assert (tmp_path / "out" / "queue.svg").stat().st_size > 1000


@pytest.mark.parametrize("name", ["all", "bound", *ALIASES, *FIGURES])
def test_no_figure_shows_a_run_without_a_round(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", {})

    assert main(["figures", name, str(run), "--out", str(tmp_path / "out")]) == 2

    assert "has no complete round; continue the run with" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_bound_takes_its_constants(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("smoothness", "gradient_variance", "diversity", "lora_size", "head_size")
    given = [part for name in names for part in ("--constant", f"{name}=1")]

    assert main(["figures", "bound", str(run), "--out", str(tmp_path), *given]) == 0
    assert main(["figures", "bound", str(run), "--out", str(tmp_path), *given[2:]]) == 2
    assert "smoothness is not known: a trace holds losses, not gradients" in capsys.readouterr().err


def test_report_writes_one_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "report.html"

    assert main(["report", str(run), "-o", str(out)]) == 0

    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_timeline_writes_the_rounds_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "trace.json"

    assert main(["timeline", str(run), "--rounds", "2:3", "-o", str(out)]) == 0

    events = json.loads(out.read_text())["traceEvents"]
    names = [entry["name"] for entry in events if entry["ph"] == "X" and entry["pid"] == 1]
    assert names == ["round 2", "round 3"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["figures", "fig9", "RUN"], "there is no figure 'fig9'; did you mean fig"),
        (["figures", "queue", "elsewhere"], "elsewhere: is not a run directory, and holds none"),
        (["figures", "bound", "RUN", "--constant", "L"], "--constant L: is not NAME=NUMBER"),
        (
            ["timeline", "RUN", "--rounds", "3:1"],
            "--rounds 3:1: rounds count from 1, and FIRST is not after LAST",
        ),
        (["timeline", "RUN", "--rounds", "x"], "--rounds x: is not FIRST:LAST"),
        (["report", "RUN", "-o", "RUN"], "cannot be written: is a directory"),
    ],
)
def test_wrong_input_is_one_line(
    run: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([str(run) if argument == "RUN" else argument for argument in arguments])

    answer = capsys.readouterr()
    assert status == 2
    assert line in answer.err
    assert answer.err.count("\n") == 1
    assert answer.out == ""


@pytest.mark.parametrize(
    ("package", "arguments"),
    [("plotly", ["report", "RUN"]), ("matplotlib", ["figures", "queue", "RUN"])],
)
def test_without_the_extra_the_error_names_it(
    run: Path,
    package: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [package, *(loaded for loaded in sys.modules if loaded.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)

    assert main([str(run) if argument == "RUN" else argument for argument in arguments]) == 2
    assert f"{package} is not installed; pip install 'airtune[report]'" in capsys.readouterr().err
