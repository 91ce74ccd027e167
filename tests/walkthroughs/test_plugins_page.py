"""Page ``docs/plugins.md``: each of its parts runs, by its class and by its entry point."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.command_line import NETWORK

import airtune
from airtune import Scenario
from analysis import Run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text()
CLASSES = {
    "placement": "Spiral",
    "mobility": "Carousel",
    "availability": "Daylight",
    "path_loss": "TwoSlopes",
    "fading": "TwoState",
    "policies": "Nearest",
    "partition": "OneLabel",
    "codecs": "Signs",
    "architectures": "MyBert",
}
"""Classes of the page by their entry-point groups."""
LEARNING = ("partition", "codecs", "architectures")
ROUNDS = 6


def tables() -> dict[str, str]:
    """Return the TOML block of each part of the page, by its entry-point group."""
    found = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    return {
        group: next(text for text in found if f"my_parts:{name}" in text and "project" not in text)
        for group, name in CLASSES.items()
    }


@pytest.fixture
def folder(tmp_path: Path, tiny_learner: str) -> Iterator[Path]:
    """Return a folder with the file that the page describes, and a base scenario."""
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    (tmp_path / "my_parts.py").write_text(code)
    (tmp_path / "network.toml").write_text(NETWORK)
    (tmp_path / "learning.toml").write_text(NETWORK + tiny_learner)
    yield tmp_path
    sys.modules.pop("my_parts", None)


def run(folder: Path, group: str, table: str) -> Run:
    """Return the run of a scenario with the table of a part."""
    base = "learning" if group in LEARNING else "network"
    (folder / "own.toml").write_text(f'extends = "{base}.toml"\n{table}')
    return airtune.run(Scenario.load(folder / "own.toml", {"rounds": ROUNDS}))


def test_the_page_has_an_example_of_every_part(folder: Path) -> None:
    groups = re.findall(r"\| `airtune\.(\w+)` \|", PAGE)

    assert sorted(groups) == sorted(CLASSES)
    assert set(tables()) == set(CLASSES)


def test_the_placement_of_the_page_is_a_spiral(folder: Path) -> None:
    distance_m = run(folder, "placement", tables()["placement"]).devices.distance_m

    assert distance_m[:4].tolist() == pytest.approx([20.0, 40.0, 60.0, 80.0])


def test_the_devices_of_the_page_move_on_circles(folder: Path) -> None:
    devices = run(folder, "mobility", tables()["mobility"]).devices

    one = devices[devices.device == 1]
    moved = np.hypot(one.x_m - one.x_m.iloc[0], one.y_m - one.y_m.iloc[0])
    ends = run(folder, "mobility", tables()["mobility"]).rounds.end_s
    angle = 2 * np.pi * np.array([0.0, *ends[:-1]]) / 3600.0
    assert moved.to_numpy() == pytest.approx(2 * 5.0 * np.abs(np.sin(angle / 2)), abs=1e-9)


def test_the_devices_of_the_page_sleep_at_night(folder: Path) -> None:
    result = run(folder, "availability", tables()["availability"].replace("7200", "120"))

    starts = np.array([0.0, *result.rounds.end_s[:-1]])
    is_day = starts % 120.0 < 60.0
    available = result.devices.groupby("round").available.all().to_numpy()
    assert available.tolist() == is_day.tolist()
    assert len(set(available)) == 2


def test_the_path_loss_of_the_page_has_two_slopes(folder: Path) -> None:
    quiet = 'fading = { kind = "none" }\n'
    devices = run(folder, "path_loss", tables()["path_loss"] + quiet).devices

    distance_m = devices.distance_m.to_numpy()
    assert (distance_m > 100.0).all()
    assert devices.gain.to_numpy() == pytest.approx(1e-4 * (distance_m / 100.0) ** -4)


def test_the_fading_of_the_page_has_two_values(folder: Path) -> None:
    loss = '\n[channel.path_loss]\nkind = "power_law"\nexponent = 1e-9\nreference_m = 10.0\n'
    gain = run(folder, "fading", tables()["fading"] + loss).devices.gain.round(6)

    assert set(gain) == {0.0, round(4 / 3, 6)}


def test_the_policy_of_the_page_takes_the_nearest(folder: Path) -> None:
    result = run(folder, "policies", tables()["policies"])

    for _, devices in result.devices.groupby("round"):
        nearest = set(devices.nsmallest(2, "distance_m").device)
        assert set(devices[devices.scheduled].device) <= nearest
    assert (result.rounds.scheduled == 2).any()


def test_the_partition_of_the_page_gives_one_label_per_device(folder: Path) -> None:
    shares = run(folder, "partition", tables()["partition"]).shares

    assert shares.groupby("device").label.nunique().tolist() == [1] * 4
    assert shares.samples.sum() == 160 - 40


def test_codec_and_architecture_of_the_page_learn(folder: Path) -> None:
    plain = run(folder, "codecs", "")
    signs = run(folder, "codecs", tables()["codecs"])
    own = run(folder, "architectures", tables()["architectures"])

    assert own.evaluations.loss.equals(plain.evaluations.loss)
    assert not signs.evaluations.loss.equals(plain.evaluations.loss)


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder as if a package with all parts had been installed into it."""
    info = folder / "my_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 1.0\n")
    points = [
        f"[airtune.{group}]\n{_short(group)} = my_parts:{name}" for group, name in CLASSES.items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(points) + "\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def _short(group: str) -> str:
    return f"own_{group}"


@pytest.mark.parametrize("group", CLASSES)
def test_every_part_has_a_short_name_once_installed(group: str, installed: Path) -> None:
    table = tables()[group]
    by_class = run(installed, group, table)
    by_name = run(installed, group, table.replace(f"my_parts:{CLASSES[group]}", _short(group)))

    assert by_name.devices.equals(by_class.devices)
    assert by_name.evaluations.equals(by_class.evaluations)
    unloaded = Scenario.load(installed / "own.toml", imports_plugins=False)
    assert [name for _, name in unloaded.plugins()] == [_short(group)]
    sys.modules.pop("my_parts", None)


def test_a_registered_model_type_needs_no_key(
    folder: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from learner import architectures

    rest = {name: own for name, own in architectures.ARCHITECTURES.items() if name != "bert"}
    monkeypatch.setattr("learner.architectures.registry.ARCHITECTURES", rest)
    points = installed / "my_parts-1.0.dist-info" / "entry_points.txt"
    points.write_text("[airtune.architectures]\nbert = my_parts:MyBert\n")

    assert run(installed, "architectures", "").evaluations.loss.notna().all()


def test_a_scenario_names_its_architecture_without_importing_it(folder: Path) -> None:
    (folder / "own.toml").write_text('extends = "learning.toml"\n' + tables()["architectures"])
    (folder / "my_parts.py").write_text("raise SystemExit('imported')")

    scenario = Scenario.load(folder / "own.toml", imports_plugins=False)
    assert scenario.plugins() == [(("learner", "architecture"), "my_parts:MyBert")]
    with pytest.raises(
        airtune.ScenarioError, match=r"learner\.architecture: 'my_parts:MyBert' can"
    ):
        airtune.run(Scenario.load(folder / "own.toml"))
