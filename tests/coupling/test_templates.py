"""Templates of scenarios: what ``airtune init`` writes is the scenario that it names."""

import re
from pathlib import Path

import pytest

from coupling.cli.app import main
from coupling.scenario import bundled
from coupling.scenario.scenario import Scenario


def init(folder: Path, name: str) -> Path:
    """Return the file that ``airtune init`` writes into a folder."""
    assert main(["init", str(folder), "--scenario", name]) == 0
    return folder / "scenario.toml"


@pytest.mark.parametrize("name", bundled.names())
def test_a_template_is_the_scenario_without_parents(name: str, tmp_path: Path) -> None:
    path = init(tmp_path, name)

    source = bundled.find(name)
    assert source is not None
    written, original = Scenario.load(path).tables(), Scenario.load(source).tables()
    assert "extends" not in path.read_text()
    assert _with_file_names(written) == _with_file_names(original)
    assert path.read_text().splitlines()[0] == source.read_text().splitlines()[0]


def test_keys_of_parents_keep_their_comments_and_numbers(tmp_path: Path) -> None:
    lines = init(tmp_path, "paper/sst2").read_text().splitlines()

    base = (bundled.folder() / "paper" / "base.toml").read_text()
    for key, text in (("bandwidth_hz", "10e6"), ("payload_bit", "51_904_512")):
        (line,) = [line for line in lines if line.startswith(f"{key} =")]
        assert f"{key} = {text}" in base
        assert line.split("#")[0].strip() == f"{key} = {text}"
    assert any(line.startswith("seed = ") and "#" in line for line in lines)


def test_every_key_of_a_template_has_a_comment(tmp_path: Path) -> None:
    lines = init(tmp_path, "quickstart").read_text().splitlines()

    keys = [place for place, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    bare = [
        lines[place]
        for place in keys
        if "#" not in lines[place] and not lines[place - 1].startswith("#")
    ]
    assert len(keys) > 20
    assert [line for line in bare if not line.startswith("kind = ")] == []


def test_a_file_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = init(tmp_path, "quickstart")
    path.write_text("mine")

    assert main(["init", str(tmp_path)]) == 2
    assert "scenario.toml: is there already; name another folder" in capsys.readouterr().err
    assert path.read_text() == "mine"


def test_an_unknown_name_leads_to_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path), "--scenario", "quikstart"]) == 2
    assert "--scenario quikstart: is not a bundled scenario" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _with_file_names(tables: object) -> object:
    """Return tables whose paths are file names: a template has its files beside itself."""
    if isinstance(tables, dict):
        return {
            key: Path(value).name
            if key == "path" and isinstance(value, str)
            else _with_file_names(value)
            for key, value in tables.items()
        }
    return tables
