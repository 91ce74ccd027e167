"""Validation: it refuses what a run refuses, and foresees legs, delay and time of the run."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.command_line import NETWORK, Airtune, set_arguments
from support.small_runs import MOVING, learner_table, network

import coupling
from coupling import Scenario, ScenarioError
from coupling.cli import validate as command
from coupling.scenario.ending import Ending
from coupling.validation import LegRange, validate
from coupling.validation.sample import MAXIMUM_ROUNDS, Sample


def data_files(folder: Path) -> None:
    """Write data sets with a fault each."""
    rows = {"text": [f"word{n}" for n in range(40)], "label": [n % 2 for n in range(40)]}
    changed: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "columns": ({"body": rows["text"], "label": rows["label"]}, rows),
        "classes": (
            rows | {"label": ["red", "blue"] * 20},
            rows | {"label": ["red", "green"] * 20},
        ),
        "groups": (rows | {"group": ["a", "b", "c", None] * 10}, rows),
        "single": (rows | {"label": [1] * 40}, rows | {"label": [1] * 40}),
        "empty": ({"text": [], "label": []}, rows),
    }
    for name, (train, test) in changed.items():
        (folder / name).mkdir()
        for part, table in (("train", train), ("validation", test)):
            pd.DataFrame(table).to_csv(folder / name / f"{part}.csv", index=False)


def on(folder: str, **others: object) -> str:
    """Return the setting of data in a folder."""
    return f"learner.data={_value({'path': folder, **others})}"


def _value(entry: object) -> str:
    """Return a value as TOML."""
    if isinstance(entry, dict):
        return "{" + ", ".join(f"{key} = {_value(value)}" for key, value in entry.items()) + "}"
    return json.dumps(entry)


LEARNER_FAULTS = {
    "model that is not there": "learner.model=./absent",
    "model without weights": "learner.model=./hollow",
    "target that is no module": "learner.lora.targets=['value', 'door']",
    "layer that is not there": "learner.lora.layers=[7]",
    "rank that does not fit": "learner.lora.targets=['embeddings']",
    "start that is no adapter": "learner.lora.start=./hollow",
    "pooling that needs a pooler": "learner.lora.targets=['pooler.dense']",
    "more tokens than positions": "learner.max_tokens=41",
    "batch of more samples than a share": "learner.batch_size=100000",
    "share below a sample": "learner.data.share=0.001",
    "more devices than samples": "devices.count=200",
    "test set that is too small": "learner.data.test_size=41",
    "data that are not there": "learner.data.path=absent",
    "column that is not there": on("columns"),
    "column that is named wrongly": on("classes", columns={"text": "words", "label": "label"}),
    "class of the test set only": on("classes", columns={"text": "text", "label": "label"}),
    "class names that do not fit": on("groups", classes=["1", "7"]),
    "one class": on("single", columns={"text": "text", "label": "label"}),
    "no rows": on("empty", columns={"text": "text", "label": "label"}),
    "rows without a group": on("groups", partition={"kind": "by_column", "column": "group"}),
    "group that is not there": on("groups", partition={"kind": "by_column", "column": "home"}),
    "more shards than samples": on("groups", partition={"kind": "shards", "per_device": 900}),
    "partition that is not there": on("groups", partition={"kind": "absent:Cut"}),
    "aggregator that is not there": "learner.lora.aggregation=absent:Sum",
    "device that is not there": "learner.device=cuda",
    "attention that is not there": "learner.attention=flash",
    "images for a text model": "learner.data={name='cifar10'}",
    "positions that are not there": "devices.mobility={kind='trace', path='absent.csv'}",
    "states that are not there": "devices.availability={kind='trace', path='absent.csv'}",
    "gains that are not there": "channel.gains.path=absent.csv",
    "more devices than memory": "devices.count=100000000000",
    "policy that is not there": "scheduler.kind=absent:Policy",
}


@pytest.mark.parametrize("setting", LEARNER_FAULTS.values(), ids=LEARNER_FAULTS)
def test_validate_refuses_what_run_refuses_with_the_same_line(
    setting: str, folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    data_files(folder)
    (folder / "hollow").mkdir()
    (folder / "hollow" / "config.json").write_text("{}")
    content = NETWORK + tiny_learner
    if setting.startswith("learner.data={"):
        content = content[: content.index("data = ")]
    (folder / "tiny.toml").write_text(content)

    ran = airtune("run", "tiny.toml", "--out", "out", *set_arguments([setting]))
    checked = airtune("validate", "tiny.toml", *set_arguments([setting]))

    assert (ran.status, ran.err.count("\n")) == (2, 1), ran.err
    assert (checked.status, checked.err) == (2, ran.err)


ABSENT = "learner.model=someone/absent"
SEEN_WITHOUT_MODEL = [
    *("more devices than samples", "data that are not there", "column that is named wrongly"),
    *("class names that do not fit", "group that is not there", "partition that is not there"),
    *("aggregator that is not there", "start that is no adapter", "device that is not there"),
    *("gains that are not there", "policy that is not there"),
]


def test_hub_that_gives_no_answer_is_a_warning_of_validate(
    folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    content = NETWORK + tiny_learner
    (folder / "tiny.toml").write_text(content[: content.index("data = ")] + "data.name = 'sst2'\n")

    ran = airtune("run", "tiny.toml", "--out", "out", "--set", ABSENT)
    checked = airtune("validate", "tiny.toml", "--json", "--set", ABSENT)

    result = json.loads(checked.out)
    model, data = result["warnings"][:2]
    assert (ran.status, ran.err.count("\n"), (folder / "out").exists()) == (2, 1, False)
    assert model.startswith(ran.err.strip() + "; the hub gives no answer: the model with its ")
    assert data.startswith("tiny.toml: learner.data.name: 'sst2' cannot be loaded (Couldn't reach ")
    assert data.endswith(
        "the data with their columns, classes and shares were not looked at, and run refuses this"
    )
    assert (checked.status, result["valid"]) == (0, True)
    assert result["leg_bits"] == {"payload": 51_904_512}
    assert (result["sampled_rounds"], result["median_delay_s"] > 0) == (3, True)
    assert (result["memory_bytes"], result["wall_time_s"]) == (None, None)
    assert airtune("validate", "tiny.toml", "--set", ABSENT).out.splitlines()[0] == (
        "tiny.toml: valid, apart from what could not be looked at"
    )


@pytest.mark.parametrize("fault", SEEN_WITHOUT_MODEL)
def test_without_the_model_the_other_parts_are_refused_as_with_it(
    fault: str, folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    data_files(folder)
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)
    setting = set_arguments([LEARNER_FAULTS[fault]])

    seen = airtune("validate", "tiny.toml", *setting)
    unseen = airtune("validate", "tiny.toml", *setting, "--set", ABSENT)

    assert (unseen.status, unseen.err) == (2, seen.err)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("learner.codec", {"default": {"kind": "absent:Codec"}}, "codec 'absent:Codec'"),
        ("learner.model", "no/such/model", "'no/such/model' is neither"),
        ("learner.model", "./absent", "'./absent' is not a directory"),
    ],
)
def test_names_that_no_hub_can_have_stay_refused(
    key: str, value: object, problem: str, tmp_path: Path
) -> None:
    scenario = scenarios(tmp_path)["actual"].with_overrides({"learner.model": "someone/absent"})

    with pytest.raises(ScenarioError, match=f"^[^:]*: {key}.*: {problem}"):
        validate(scenario.with_overrides({key: value}))


def test_counted_bits_are_not_known_without_the_model(tmp_path: Path) -> None:
    scenario = scenarios(tmp_path)["actual"].with_overrides({"learner.model": "someone/absent"})

    result = validate(scenario)

    assert "learner.model" in result.warnings[0]
    assert (result.leg_bits, result.median_delay_s, result.sampled_rounds) == ({}, None, 0)


def scenarios(folder: Path) -> dict[str, Scenario]:
    """Return a scenario per protocol, with sizes that are given and that follow from shapes."""
    learner = learner_table(folder)
    actual = MOVING | {"protocol": {"kind": "phased", "payload_bit": "actual"}, "learner": learner}
    budget = {"scheduler": {"kind": "all_in", "delay_budget_s": 0.01}}
    return {
        "aggregate": network(folder, rounds=70),
        "phased": network(folder, **MOVING),
        "actual": network(folder, rounds=4, **actual),
        "federated": network(
            folder,
            rounds=3,
            learner=learner | {"codec": {}},
            protocol={"kind": "fedavg_lora", "payload_bit": "actual"},
            **budget,
        ),
        "centralised": network(
            folder,
            rounds=3,
            learner=learner,
            protocol={"kind": "centralised", "payload_bit": "actual"},
            **budget,
        ),
    }


@pytest.mark.parametrize("name", ["aggregate", "phased", "actual", "federated", "centralised"])
def test_sizes_and_median_delay_are_those_of_the_trace(name: str, tmp_path: Path) -> None:
    scenario = scenarios(tmp_path)[name]

    result = validate(scenario)

    trace = coupling.run(scenario)
    rounds = trace.rounds[: result.sampled_rounds]
    sent = trace.transfers[trace.transfers["round"] <= result.sampled_rounds]
    legs = sent.groupby("leg").bits.agg(["min", "max"])
    assert len(rounds) == min(scenario.rounds, MAXIMUM_ROUNDS)
    assert result.leg_bits == {
        leg: LegRange(int(row["min"]), int(row["max"])) for leg, row in legs.iterrows()
    }
    assert result.median_delay_s == np.median(rounds.delay_s)


def test_a_leg_that_is_not_sent_has_the_size_of_the_first_round(tmp_path: Path) -> None:
    away = {"kind": "markov", "mean_on_s": 1e-3, "mean_off_s": 1e9}
    devices = MOVING["devices"] | {"availability": away}

    result = validate(network(tmp_path, **(MOVING | {"devices": devices})))

    assert result.leg_bits == {
        "embedding": LegRange(4_000_000, 4_000_000),
        "feature": LegRange(300_000, 300_000),
        "gradient": LegRange(100_000, 100_000),
    }


def test_the_json_has_the_result_and_one_number_per_constant_leg(
    folder: Path, airtune: Airtune
) -> None:
    answer = airtune("validate", "network.toml", "--json")

    document = json.loads(answer.out)
    assert answer.status == 0
    assert document["valid"] is True
    assert document["leg_bits"] == {"payload": 51_904_512}
    assert list(document) == [
        *("valid", "warnings", "leg_bits", "memory_bytes", "median_delay_s"),
        *("sampled_rounds", "wall_time_s"),
    ]
    assert document["warnings"] == [
        line.removeprefix("warning: ") for line in answer.err.splitlines()
    ]
    assert document["memory_bytes"] > 1e7
    assert document["wall_time_s"] > 0


def test_the_json_of_a_fault_has_its_line(folder: Path, airtune: Airtune) -> None:
    answer = airtune("validate", "network.toml", "--json", "--set", "rounds=0")

    document = json.loads(answer.out)
    assert answer.status == 2
    assert document["valid"] is False
    assert answer.err == document["error"] + "\n"
    assert document["leg_bits"] is None


def test_a_round_that_fails_fails_the_validation(folder: Path, airtune: Airtune) -> None:
    (folder / "broken.py").write_text(
        "from netsim.scheduling import Policy\n"
        "class Broken(Policy):\n    def schedule(self, state):\n        return 1 / 0\n"
    )
    setting = ("--set", "scheduler.kind=broken:Broken")

    ran = airtune("run", "network.toml", "--no-learning", *setting)
    checked = airtune("validate", "network.toml", *setting)

    assert (ran.status, checked.status) == (1, 1)
    assert checked.err.splitlines()[-1] == ran.err.splitlines()[-1]


def test_a_signal_ends_the_validation_in_one_line(
    folder: Path, airtune: Airtune, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal did not act")

    monkeypatch.setattr(command, "validate_scenario", interrupted)

    answer = airtune("validate", "network.toml")

    assert (answer.status, answer.out) == (130, "")
    assert answer.err == "interrupted; nothing was written\n"


def test_lines_for_people_name_every_number(folder: Path, airtune: Airtune) -> None:
    lines = airtune("validate", "network.toml", "--rounds", "1").out.splitlines()

    assert lines[:2] == [
        "network.toml: valid",
        "legs per device and round: payload 51,904,512 bit",
    ]
    assert lines[2].startswith("median delay of the first round: ")
    assert [line.split(": ")[0] for line in lines[3:]] == ["memory", "wall time"]


def test_the_number_of_rounds_follows_the_end_that_comes_first() -> None:
    sample = Sample(end_s=[2.0, 4.0, 6.0, 8.0])

    assert sample.rounds_of_run(Ending(10)) == 10
    assert sample.rounds_of_run(Ending(10, until_s=9.0)) == 5
    assert sample.rounds_of_run(Ending(3, until_s=9.0)) == 3


def test_without_learning_nothing_is_loaded(folder: Path, airtune: Airtune) -> None:
    setting = ("--set", "learner.model=./absent")

    assert airtune("validate", "learning.toml", *setting).status == 2
    assert airtune("validate", "learning.toml", *setting, "--no-learning").status == 0


def test_the_policy_sees_the_samples_of_the_learner(tmp_path: Path) -> None:
    scenario = scenarios(tmp_path)["actual"]
    (tmp_path / "by_samples.py").write_text(
        "from netsim.scheduling import Allocation, Policy\n"
        "class BySamples(Policy):\n"
        "    def schedule(self, state):\n"
        "        chosen = state.samples.argsort()[:2]\n"
        "        return Allocation.equal_finish(state, chosen)\n"
    )
    by_samples = scenario.with_overrides(
        {"scheduler": {"kind": "by_samples:BySamples", "delay_budget_s": 1.0}}
    )

    assert validate(by_samples).sampled_rounds == 4
    sizes = {"embedding": 4_000_000, "feature": 300_000, "gradient": 100_000}
    unseen = {"learner.model": "someone/absent", "protocol.payload_bit": sizes}
    assert validate(by_samples.with_overrides(unseen)).sampled_rounds == 4
    with pytest.raises(ScenarioError):
        validate(scenario.with_overrides({"learner.max_tokens": 41}))
