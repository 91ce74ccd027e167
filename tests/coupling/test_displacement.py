"""Displaced keys, huge integers, and names with a NUL, in files and by ``--set``."""

from pathlib import Path

import pytest
from support.command_line import Airtune

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
