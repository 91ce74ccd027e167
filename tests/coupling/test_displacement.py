"""Displaced keys, huge integers, and names with a NUL, in files and by ``--set``."""

import re
from pathlib import Path

import pytest
from support.command_line import Airtune

from coupling.scenario.file import read
from coupling.scenario.layers import EXCLUSIVE_KEYS

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"

GAINS = "block,device,gain\n" + "".join(
    f"{block},{device},1e-6\n" for block in range(9) for device in range(4)
)


def write_child(folder: Path, text: str) -> str:
    (folder / "gains.csv").write_text(GAINS)
    (folder / "child.toml").write_text(f'extends = "network.toml"\n{text}\n')
    return "child.toml"


def test_recorded_gains_displace_the_models_of_the_file_below(
    folder: Path, airtune: Airtune
) -> None:
    child = write_child(folder, '[channel]\ngains = { path = "gains.csv" }')

    assert airtune("validate", child).status == 0
    assert airtune("validate", "network.toml", "--set", "channel.gains.path=gains.csv").status == 0


def test_the_models_displace_recorded_gains_of_the_file_below(
    folder: Path, airtune: Airtune
) -> None:
    child = write_child(folder, '[channel]\ngains = { path = "gains.csv" }')
    models = ["channel.path_loss={kind='power_law', exponent=3, reference_m=1}"]
    models += ["channel.fading={kind='rayleigh'}"]

    arguments = [word for model in models for word in ("--set", model)]

    assert airtune("validate", child, *arguments).status == 0


def exclusions_of_the_page() -> set[tuple[str, str, str]]:
    """Return each exclusion of the reference page: a table and two of its keys, in order."""
    found = set()
    for section in re.split("^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        table = re.split("[,\n]", section)[0]
        for key, rest in re.findall(r"^\| `(\w+)` \|.*[Ee]xcludes (`.*)", section, re.MULTILINE):
            for other in re.findall(r"`(\w+)`", re.split(r"[.|]", rest)[0]):
                found.add((table, *sorted((key, other))))
    return found


def test_every_exclusion_of_the_reference_page_displaces() -> None:
    known = {
        (table, *sorted((key, other)))
        for (table, _), (one, others) in EXCLUSIVE_KEYS.items()
        for key in one
        for other in others
    }

    assert exclusions_of_the_page() == known


@pytest.mark.parametrize("by", ["extends", "--set"])
@pytest.mark.parametrize("place", EXCLUSIVE_KEYS, ids=str)
def test_a_key_displaces_those_of_the_file_below(
    place: tuple[str, str | None], by: str, tmp_path: Path
) -> None:
    table, kind = place
    for below, above in (EXCLUSIVE_KEYS[place], EXCLUSIVE_KEYS[place][::-1]):
        text = f"[{table}]\n" + (f"kind = '{kind}'\n" if kind else "")
        (tmp_path / "below.toml").write_text(text + "".join(f"{key} = 1\n" for key in below))
        key = min(above)
        (tmp_path / "above.toml").write_text(f"extends = 'below.toml'\n[{table}]\n{key} = 2\n")

        source = read(tmp_path / ("above.toml" if by == "extends" else "below.toml"))
        if by == "--set":
            source.override(f"{table}.{key}", 2)

        content = source.raw
        for part in table.split("."):
            content = content[part]
        assert {name: value for name, value in content.items() if name != "kind"} == {key: 2}


def test_keys_of_a_policy_of_ones_own_do_not_displace(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[scheduler]\nkind = 'own:Policy'\ncount = 2\n")
    source = read(tmp_path / "own.toml")

    source.override("scheduler.probability", 0.5)

    assert source.raw["scheduler"] == {"kind": "own:Policy", "count": 2, "probability": 0.5}


def test_gains_beside_models_in_one_file_are_refused_with_its_name(
    folder: Path, airtune: Airtune
) -> None:
    models = "path_loss = { kind = 'power_law', exponent = 3, reference_m = 1 }"
    child = write_child(folder, f'[channel]\ngains = {{ path = "gains.csv" }}\n{models}')

    answer = airtune("validate", child)

    assert answer.status == 2
    assert answer.err.startswith("child.toml: channel: gains excludes path_loss and fading")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = " + "7" * 5000, "child.toml: an integer has more than 4,300 digits"),
        ("seed = 0x" + "f" * 5000, "child.toml: an integer has more than 4,300 digits"),
        (r"[channel]" + "\n" + r'gains = { path = "C:\users\g.csv" }', "between single quotes"),
        (r'learner.model = "a\u0000b"', "has a NUL, which no name can have"),
        (f'learner.model = "{"x" * 300}"', "cannot be used: file name too long"),
        (f'learner.model = "{"x/" * 5000}"', "cannot be used: file name too long"),
        ("[scheduler]\ndelay_budget_s = 1e300", "delay_budget_s = 1e+300 is not at most 1e+30"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_short_line(
    text: str, words: str, folder: Path, airtune: Airtune
) -> None:
    answer = airtune("validate", write_child(folder, text))

    assert answer.status == 2
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert len(answer.err) < 300
