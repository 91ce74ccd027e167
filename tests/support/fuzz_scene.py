"""Scene of the fuzz tests: runs, stores, scenarios, a model and data, which a mutation changes."""

import contextlib
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from coupling import Scenario, run
from coupling.cli.app import main
from coupling.run_directory.remote import RemoteRunDirectory
from coupling.scenario.errors import Interrupted
from coupling.sweeps.grid import plan
from support.hostile import Scene, make_template
from support.small_runs import COMING_AND_GOING, MOVING, NETWORK, ROOT, learner_table, stop_after

NETWORK_SCENARIOS = ("small.toml", "moving.toml", "replay.toml", "town.toml", "energy.toml")
RUNS = ("run", "finished", "moved", "stopped")
LEARNED_RUNS = ("learned", "learning")
STORES = ("store", "whole")
"""Stores of an interrupted and of a finished run."""
SWEEPS = ("begun", "ended")
"""Folders of sweeps with an interrupted and with a finished run."""
DATA = (
    *("moved/world/gains.parquet", "moved/world/positions.parquet", "town.fcd.xml"),
    *("positions.csv", "availability.csv"),
)
_CODE = "import os, pathlib\npathlib.Path(os.environ['AIRTUNE_TEST_MARKER']).touch()\n"


def make_scene(root: Path, *, learning: bool) -> Scene:
    """Write the scene in a new folder; scenarios name files by its path, so it stays there."""
    make_template(root)
    scene = Scene(root)
    folder = scene.folder
    (folder / "evil.py").write_text(_CODE)
    _write(folder / "moving.toml", MOVING | {"rounds": 6})
    _run(folder / "moving.toml", folder / "moved")
    _run(folder / "moving.toml", folder / "stopped", until=4)
    _airtune("record", folder / "moved")
    _write_inputs(folder)
    for name, source in zip((*STORES, *SWEEPS), ("run", "finished") * 2, strict=True):
        place = f"file://{folder}/{name}" if name in STORES else str(folder / name)
        task = plan(scene.scenario, place, {}, None, settings={}, learning=True)[0].task
        if name in STORES:
            RemoteRunDirectory(task.path).upload(folder / source)
        else:
            (folder / name).mkdir()
            shutil.copytree(folder / source, task.path)
    _airtune("sweep", scene.scenario, "--out", folder / "ended")
    for name in (SWEEPS[0], *STORES):
        shutil.copy(folder / "ended/sweep.parquet", folder / name)
    if learning:
        table = learner_table(folder)
        _write(folder / "learner.toml", {"rounds": 4, "learner": table})
        _run(folder / "learner.toml", folder / "learned")
        _run(folder / "learner.toml", folder / "learning", until=2)
    return scene


def _airtune(*arguments: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(list(map(str, arguments))) == 0


def _write(path: Path, tables: Mapping[str, Any]) -> None:
    every = {"trace": {"checkpoint_every": 2}}
    path.write_text(tomli_w.dumps({**NETWORK, **every, **tables}))


def _run(scenario: Path, out: Path, until: int | None = None) -> None:
    note, stop = stop_after(10**9 if until is None else until)
    with contextlib.suppress(Interrupted):
        run(Scenario.load(scenario), out, on_round=note, stop=stop)


def _write_inputs(folder: Path) -> None:
    """Write scenarios with files of others: gains, positions, cars and availability."""
    shutil.copy(ROOT / "scenarios/mobility/town.fcd.xml", folder)
    rows = [f"{device},{time},{300 + device},{time}" for device in range(5) for time in (0, 50)]
    (folder / "positions.csv").write_text("\n".join(["device,time_s,x_m,y_m", *rows]))
    rows = [f"{device},{20 * time},{time % 2}" for device in range(5) for time in range(9)]
    (folder / "availability.csv").write_text("\n".join(["device,time_s,available", *rows]))
    gains = {"gains": {"path": "moved/world/gains.parquet"}, "coherence": 0.5}
    devices: dict[str, Any] = NETWORK["devices"]
    positions = {"mobility": {"kind": "trace", "path": "positions.csv"}}
    recorded = {"mobility": {"kind": "trace", "path": "moved/world/positions.parquet"}}
    available = {"availability": {"kind": "trace", "path": "availability.csv"}}
    cars = {"mobility": {"kind": "sumo", "path": "town.fcd.xml"}}
    _write(
        folder / "replay.toml",
        {**MOVING, "rounds": 4, "channel": gains, "devices": {**devices, **recorded}},
    )
    _write(folder / "town.toml", {"rounds": 4, "devices": {**devices, **cars}})
    _write(
        folder / "energy.toml",
        {"rounds": 4, "devices": {**COMING_AND_GOING, **positions, **available}},
    )
