"""TensorBoard scalars during a run."""

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import analysis
from coupling.cli.app import main

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ["run", str(ROOT / "scenarios" / "paper" / "base.toml"), "--no-learning", "--set", "rounds=5"]


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    (file,) = folder.iterdir()
    events = EventFileLoader(str(file)).Load()
    return [
        (event.step, value.simple_value or value.tensor.float_val[0])
        for event in events
        for value in event.summary.value
        if value.tag == tag
    ]


def test_the_scalars_are_those_of_the_tables(tmp_path: Path) -> None:
    assert main([*RUN, "--tensorboard", "--out", str(tmp_path / "run")]) == 0

    rounds = analysis.load(tmp_path / "run").rounds
    folder = tmp_path / "run" / "tensorboard"
    assert scalars(folder, "devices_scheduled") == list(
        zip(rounds["round"], rounds.scheduled, strict=True)
    )
    assert [value for _, value in scalars(folder, "simulated_s")] == pytest.approx(
        rounds.end_s.tolist(), rel=1e-6
    )
    assert scalars(folder, "accuracy") == []


def test_without_tensorboard_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    assert main([*RUN, "--tensorboard", "--out", str(tmp_path / "run")]) == 2
    assert (
        "tensorboard is not installed; pip install 'airtune[tensorboard]'"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()
