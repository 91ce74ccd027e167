"""Commands ``run``, ``validate`` and ``schema``: exit status, standard output and error."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.command_line import LEARNER, NETWORK, Airtune

import analysis
from coupling import Scenario
from coupling.cli.app import COMMANDS

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
RUN = ("run", "network.toml", "--no-learning")
# Ten times the budget of the paper, which the median device cannot meet over the paper's radio.
AMPLE = "scheduler.delay_budget_s_per_bit=1e-5"


def test_stdout_holds_only_the_json_and_stderr_the_progress(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*RUN, "--out", "out", "--json")

    assert answer.status == 0
    summary = json.loads(answer.out)
    assert summary["rounds"] == 3
    assert summary["run"] == "out"
    assert summary["accuracy_last"] is None
    assert summary == analysis.summary(analysis.load("out"))
    assert "3/3" in answer.err
    assert "3/3" not in answer.out


@pytest.mark.parametrize("index", ["docs/index.md", "README.md"])
def test_pages_are_printable_or_named_as_exceptions(index: str, airtune: Airtune) -> None:
    text = (SCENARIOS.parent / index).read_text()
    sentence = re.search(
        r"`airtune docs PAGE`.*?\.$|`airtune docs` the pages.*?\.$", text, re.M | re.S
    )
    assert sentence is not None
    excepted = set(re.findall(r"`([a-z]+)`", sentence[0]))
    folder = "" if index.startswith("docs/") else "docs/"
    linked = set(re.findall(rf"\]\({folder}([\w-]+)(?:\.md)?\)", text))
    assert len(linked) > 15

    for page in sorted(linked):
        answer = airtune("docs", page)
        assert (answer.status == 0) == (page not in excepted), page
        assert (
            answer.status == 0
            or answer.err == f"{page}: is in the folder docs of the source tree only\n"
        )
    assert excepted <= linked


def test_the_final_table_reports_the_results_of_the_run(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*RUN, "--out", "out")

    run = analysis.load("out")
    assert answer.status == 0
    for text in (
        f"mean {run.rounds.scheduled.mean():.2f}, median {run.rounds.scheduled.median():g}",
        "budget 51.9 s",
        f"{run.rounds.end_s.iloc[-1]:,.1f} s",
        "final virtual queue",
        "wall time",
        "run directory",
    ):
        assert text in answer.out
    assert "accuracy" not in answer.out


def test_a_run_that_learns_shows_its_loss_and_its_first_and_last_accuracy(
    folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    answer = airtune("run", "tiny.toml", "--out", "out")

    accuracy = analysis.load("out").evaluations.accuracy
    assert answer.status == 0
    assert f"first {accuracy.iloc[0]:.1%}, last {accuracy.iloc[-1]:.1%}" in answer.out
    assert "loss 0." in answer.err


def test_the_partition_of_the_data_is_reported_and_stored(
    folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    answer = airtune("run", "tiny.toml", "--out", "out", "--set", "rounds=1")

    shares = analysis.load("out").shares
    # 120 sentences: 40 of each class.
    assert "iid partition: 4 devices with 30 samples each, 120 of 120 in all" in answer.err
    assert shares.groupby("device").samples.sum().tolist() == [30] * 4
    assert shares.groupby("label").samples.sum().tolist() == [40, 40, 40]
    assert len(analysis.load("out", rounds=(1, 1)).shares) == len(shares)


def test_runs_without_a_name_are_numbered(folder: Path, airtune: Airtune) -> None:
    assert airtune(*RUN).status == 0
    assert airtune(*RUN).status == 0

    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["network-1", "network-2"]


def test_a_run_directory_may_exist_if_it_is_empty(folder: Path, airtune: Airtune) -> None:
    (folder / "out").mkdir()

    assert airtune(*RUN, "--out", "out").status == 0
    assert len(analysis.load("out").rounds) == 3


def test_no_learning_runs_a_scenario_with_a_learner_as_the_network_alone(
    folder: Path, airtune: Airtune
) -> None:
    answer = airtune("run", "learning.toml", "--no-learning", "--out", "out", "--json")

    run = analysis.load("out")
    assert answer.status == 0
    assert run.evaluations.empty
    assert run.scenario["learner"]["model"] == "minilm"
    assert run.provenance["learning"] is False


def test_validate_reports_valid_and_writes_nothing(folder: Path, airtune: Airtune) -> None:
    files = sorted(folder.rglob("*"))

    answer = airtune("validate", "learning.toml", "--no-learning", "--set", AMPLE)

    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("learning.toml: valid\n")
    assert sorted(folder.rglob("*")) == files


def test_validate_warns_of_the_update_that_misses_the_mean_delay(
    folder: Path, airtune: Airtune
) -> None:
    answer = airtune(
        "validate", "network.toml", "--set", "scheduler.queue_update=algorithm1", "--set", AMPLE
    )

    assert (answer.status, answer.out.splitlines()[0]) == (0, "network.toml: valid")
    assert answer.err == (
        "warning: scheduler.queue_update = 'algorithm1' does not keep the mean delay (8) "
        "if zeta decreases; use 'eq18'\n"
    )


def test_a_run_of_mostly_empty_rounds_names_the_round_that_caused_it(
    folder: Path, airtune: Airtune
) -> None:
    answer = airtune(*RUN, "--out", "out", "--set", "scheduler.drift=paper", "--set", "seed=1")

    rounds = analysis.load("out").rounds
    assert (rounds.scheduled == 0).tolist() == [False, True, True]
    assert (
        f"of round 1 was {rounds.delay_s[0] / rounds.delay_budget_s[0]:.0f} budgets" in answer.err
    )


def test_the_schema_has_every_table_and_describes_every_key(airtune: Airtune) -> None:
    answer = airtune("schema")

    schema = json.loads(answer.out)
    assert (answer.status, answer.err) == (0, "")
    for part in (schema["then"], schema["else"]):
        assert set(Scenario.model_fields) <= set(part["properties"])
        assert part["additionalProperties"] is False
    for name, table in schema["$defs"].items():
        for key, value in table.get("properties", {}).items():
            assert key == "kind" or value.get("description"), f"{name}.{key} has no description"


def test_the_schema_accepts_and_refuses_the_same_files_as_validate(
    airtune: Airtune,
) -> None:
    schema = Draft202012Validator(json.loads(airtune("schema").out))
    whole = tomllib.loads(NETWORK)
    wrong: list[dict[str, object]] = [
        whole | {"seeds": 1},
        whole | {"rounds": 0},
        {key: value for key, value in whole.items() if key != "cell"},
        {"extends": "base.toml", "cells": {}},
        {"extends": "base.toml", "channel": {"fading": {"kind": "rayleighh"}}},
    ]

    for file in SCENARIOS.rglob("*.toml"):
        assert not [
            error.message for error in schema.iter_errors(tomllib.loads(file.read_text()))
        ], file
    assert schema.is_valid(whole)
    assert not [scenario for scenario in wrong if schema.is_valid(scenario)]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"]], ids=str)
def test_help_is_not_an_error(arguments: list[str], airtune: Airtune) -> None:
    answer = airtune(*arguments)

    assert (answer.status, answer.err) == (0, "")
    assert "SCENARIO" in answer.out or "validate" in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_same_line_of_help_in_the_list(name: str) -> None:
    place, line = COMMANDS[name]
    module, _, function = place.partition(":")

    command = getattr(import_module(f"coupling.cli.{module}"), function)

    assert (command.__doc__ or "").splitlines()[0] == line


def test_the_list_of_commands_imports_no_command() -> None:
    code = (
        "import sys; from coupling.cli import main; main(['--help']); "
        "heavy = {'numpy', 'pydantic', 'pandas', 'pyarrow', 'simpy'} & set(sys.modules); "
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )

    process = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )

    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "learning.toml", "--no-learning", "--out", "out", "--json"],
        ["validate", "learning.toml", "--no-learning"],
        ["schema"],
        ["run", "learning.toml", "--out", "out", "--set", "learner.batch_size=0"],
    ],
    ids=" ".join,
)
def test_torch_is_not_imported_by_commands_without_learning(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "learning.toml").write_text(NETWORK + LEARNER)
    code = (
        "import sys; from coupling.cli import main; main(); "
        "heavy = {'torch', 'transformers', 'peft', 'datasets', 'tokenizers'} & set(sys.modules); "
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )

    process = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert process.returncode == 0, process.stderr
