"""Provenance of a run, and the table of runs."""

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from support.small_runs import network, stop_after, tables

from coupling import run
from coupling.cli import app
from coupling.scenario.errors import Interrupted
from coupling.simulation.run import resume


def facts(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "provenance.json").read_text())
    return found


def several(root: Path) -> None:
    """Leave a finished run, an interrupted one below a folder, a killed one and a damaged one."""
    run(network(root), root / "a-finished")
    note, stop = stop_after(5)
    with pytest.raises(Interrupted):
        run(network(root, seed=7), root / "below" / "b-interrupted", on_round=note, stop=stop)
    for name, text in (("c-killed", '"running"'), ("d-damaged", "")):
        run(network(root), root / name)
        written = (root / name / "provenance.json").read_text()
        (root / name / "provenance.json").write_text(written.replace('"finished"', text))


def test_the_list_tells_of_every_run_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several(tmp_path)

    assert app.main(["ls", str(tmp_path), "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert [
        (row["run"], row["state"], row["round"], row["rounds"], row["seed"]) for row in rows
    ] == [
        ("a-finished", "finished", 12, 12, 1),
        ("below/b-interrupted", "interrupted", 5, 12, 7),
        ("c-killed", "stopped", 12, 12, 1),
        ("d-damaged", "damaged", None, None, None),
    ]
    assert "provenance.json: cannot be read or is damaged" in rows[3]["error"]
    ends = tables(tmp_path / "a-finished")["rounds"]["end_s"].to_pylist()
    assert rows[0]["simulated_s"] == ends[-1]


def test_the_list_without_a_folder_is_that_of_the_working_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(network(tmp_path), tmp_path / "runs" / "one")
    monkeypatch.chdir(tmp_path)

    assert app.main(["ls", "--json"]) == 0

    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == ["runs/one"]


def test_the_list_is_a_table_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    several(tmp_path)

    assert app.main(["ls", str(tmp_path)]) == 0

    rows = [
        line.split("│")[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("│")
    ]
    cells: dict[str, list[str]] = {}
    for row in rows:  # a cell that is too wide continues in the next row
        name = row[0].strip() or name
        before = cells.get(name, [""] * len(row))
        cells[name] = [" ".join(pair).strip() for pair in zip(before, row, strict=True)]
    texts = {name: [" ".join(cell.split()) for cell in row] for name, row in cells.items()}
    assert list(texts) == ["a-finished", "below/b-interrupted", "c-killed", "d-damaged"], (
        "no name is cut"
    )
    assert [row[4] for row in texts.values()] == ["12", "5 of 12", "12 of 12", ""]


def test_the_keys_of_the_list_are_json_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(network(tmp_path), tmp_path / "a")
    path = tmp_path / "b" / "scenario.toml"
    path.parent.mkdir()
    shutil.copy(tmp_path / "a" / "provenance.json", path.parent)
    odd = 'n = 3\nx = 0.5\nyes = true\nnames = ["q", 1]\nday = 2026-01-01\ntop = inf\n'
    path.write_text(odd)

    assert app.main(["ls", str(tmp_path), "--json"]) == 0

    keys = json.loads(capsys.readouterr().out)[1]["keys"]
    expected = {"n": 3, "x": 0.5, "yes": True, "names": ["q", 1], "day": "2026-01-01", "top": "inf"}
    assert keys == expected
    assert app.main(["ls", str(tmp_path)]) == 0


def test_a_folder_that_leads_back_to_itself_is_no_trap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(network(tmp_path), tmp_path / "runs" / "one")
    (tmp_path / "runs" / "again").symlink_to(tmp_path / "runs")

    assert app.main(["ls", str(tmp_path / "runs"), "--json"]) == 0

    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == ["one"]


def test_a_run_says_what_made_it(tmp_path: Path, tiny_learner_table: dict[str, object]) -> None:
    scenario = network(tmp_path, rounds=2, learner=tiny_learner_table)

    said = facts(run(scenario, tmp_path / "run"))

    assert (said["seed"], said["scenario_sha256"]) == (1, scenario.digest())
    assert said["versions"] == {"python": platform.python_version()} | {
        name: version(name)
        for name in (
            "airtune",
            "numpy",
            "scipy",
            "simpy",
            "pyarrow",
            "torch",
            "transformers",
            "peft",
        )
    }
    assert (said["torch_threads"], said["torch_device"]) == (torch.get_num_threads(), "cpu")
    assert (said["host"], said["machine"]) == (platform.node(), platform.platform())
    assert {"commit", "dirty", "cores", "started", "ended", "wall_s", "simulated_s"} <= set(said)
    assert facts(run(scenario, tmp_path / "network", learning=False))["torch_threads"] is None


def test_a_run_that_other_software_began_goes_on_and_says_so(tmp_path: Path) -> None:
    note, stop = stop_after(5)
    with pytest.raises(Interrupted):
        run(network(tmp_path), tmp_path / "run", on_round=note, stop=stop)
    said = facts(tmp_path / "run")
    versions = {**said["versions"], "numpy": "1.0"}  # type: ignore[dict-item]
    other = said | {"versions": versions, "commit": "0" * 40}
    (tmp_path / "run" / "provenance.json").write_text(json.dumps(other))
    told: list[str] = []

    resume(tmp_path / "run", log=told.append)

    assert len(told) == 1
    assert told[0].startswith(
        f"{tmp_path}/run: started with commit 0000000, numpy 1.0, resuming with commit "
    )
    assert told[0].endswith("results may differ from an uninterrupted run")
