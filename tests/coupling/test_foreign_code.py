"""Code that a run names: a run directory is data, and its code is imported where asked only."""

from pathlib import Path

import pytest
import tomli_w
from support import small_runs
from support.run_fixtures import Airtune
from support.small_runs import NETWORK, scenario_file, stop_after
from support.tiny_models import edit_json

from coupling import Scenario, run
from coupling.scenario.errors import Interrupted
from coupling.sweeps.grid import plan

POLICY = """
from pathlib import Path
from netsim.scheduling import Policy, create
Path({marker!r}).touch()
class Own(Policy):
    def schedule(self, state):
        return create("all_in").schedule(state)
"""


def own_scenario(folder: Path, marker: Path) -> Path:
    """Write a scenario beside the policy that it names, which leaves a marker when imported."""
    folder.mkdir()
    (folder / f"{folder.name}_code.py").write_text(POLICY.format(marker=str(marker)))
    scheduler = {"kind": f"{folder.name}_code:Own", "delay_budget_s": 60.0}
    tables = NETWORK | {"scheduler": scheduler, "trace": {"checkpoint_every": 4}}
    path = folder / "small.toml"
    path.write_text(tomli_w.dumps(tables))
    return path


def interrupted(scenario: Scenario, folder: Path) -> str:
    """Run a scenario up to round 8; return the line that says how to continue."""
    note, stop = stop_after(8)
    with pytest.raises(Interrupted) as caught:
        run(scenario, folder, on_round=note, stop=stop)
    return str(caught.value)


def test_resume_imports_the_code_of_a_run_with_its_option_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, airtune: Airtune
) -> None:
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "marker"
    line = interrupted(Scenario.load(own_scenario(tmp_path / "resumed", marker)), Path("run"))
    marker.unlink()

    refused = airtune("resume", "run")

    assert line == "interrupted after round 8; continue with: airtune resume run --plugins"
    assert refused.status == 2
    assert refused.err == (
        "run: names code, which is imported with --plugins only: "
        "scheduler.kind = 'resumed_code:Own'\n"
    )
    assert not marker.exists()
    assert airtune(*line.partition("airtune ")[2].split()).status == 0


@pytest.mark.parametrize("planted", ["code", "name"])
def test_a_sweep_takes_no_code_from_its_run_directories(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, airtune: Airtune
) -> None:
    monkeypatch.chdir(tmp_path)
    path = own_scenario(tmp_path / f"swept_{planted}", tmp_path / "own")
    task = plan(path, str(tmp_path / "s"), {}, None, settings={}, learning=True)[0].task
    interrupted(task.scenario, Path(task.path))
    evil = POLICY.format(marker=str(tmp_path / "marker"))
    if planted == "code":
        (Path(task.path) / f"{path.parent.name}_code.py").write_text(evil)
        edit_json(Path(task.path) / "provenance.json", scenario_folder=task.path)
    else:
        (Path(task.path) / "evil_code.py").write_text(evil)
        file = Path(task.path) / "scenario.toml"
        file.write_text(file.read_text().replace(f"{path.parent.name}_code:Own", "evil_code:Own"))

    done = airtune("sweep", str(path), "--out", "s", "--jobs", "1")

    assert done.status == 0, done.err
    assert not (tmp_path / "marker").exists()


def test_a_look_without_plugins_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, airtune: Airtune
) -> None:
    monkeypatch.chdir(tmp_path)
    path = own_scenario(tmp_path / "looked", tmp_path / "marker")

    looked = airtune("validate", str(path), "--no-plugins")

    assert looked.status == 0
    assert looked.out == (
        f"{path}: scheduler.kind = 'looked_code:Own' names code, which was not imported\n"
        f"{path}: valid apart from that code and its options\n"
    )
    assert not (tmp_path / "marker").exists()
    assert airtune("validate", str(path)).status == 0
    assert (tmp_path / "marker").exists()


def test_settings_of_matplotlib_beside_a_run_are_not_read(tmp_path: Path) -> None:
    run(Scenario.load(scenario_file(tmp_path)), tmp_path / "run")
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe: not UTF-8")

    # In a process of its own: Matplotlib reads its settings when it is imported.
    ended = small_runs.airtune("figures", "queue", "run", "--out", "f", cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert list((tmp_path / "f").iterdir())
