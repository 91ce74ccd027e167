"""Merging of scenario files: ``extends``, ``--set`` and renamed keys."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.command_line import LEARNER, NETWORK, Airtune, set_arguments

import analysis
import coupling
from coupling import Scenario
from coupling.scenario.digest import DIGEST_VERSION
from coupling.scenario.file import parse_set
from coupling.scenario.scenario import json_schema


def load(folder: Path, child: str, **overrides: object) -> Scenario:
    """Return the scenario of a file that extends ``network.toml``."""
    (folder / "child.toml").write_text('extends = "network.toml"\n' + child)
    return Scenario.load(folder / "child.toml", overrides)


def test_a_file_that_extends_another_changes_only_the_keys_it_names(folder: Path) -> None:
    scenario = load(folder, "rounds = 7\n[cell]\nbandwidth_hz = 1e6\n")

    base = Scenario.load(folder / "network.toml")
    assert (scenario.rounds, scenario.cell.bandwidth_hz) == (7, 1e6)
    assert (scenario.seed, scenario.cell.noise_psd_w_per_hz) == (1, 1e-11)
    assert scenario.devices == base.devices
    assert scenario.scheduler == base.scheduler


def test_a_table_of_the_same_kind_is_merged_key_by_key(folder: Path) -> None:
    scenario = load(folder, '[devices]\nplacement = { kind = "disc", radius_m = 7.0 }\n')

    assert scenario.tables()["devices"]["placement"] == {
        "kind": "disc",
        "center_m": [300.0, 0.0],
        "radius_m": 7.0,
    }


def test_a_table_without_kind_keeps_the_kind_of_the_extended_file(folder: Path) -> None:
    scenario = load(folder, "[scheduler]\nzeta = { initial = 3.0 }\n")

    assert scenario.tables()["scheduler"]["zeta"] == {"kind": "inverse_sqrt", "initial": 3.0}


def test_a_table_whose_kind_changes_is_replaced(folder: Path) -> None:
    scenario = load(
        folder,
        '[scheduler]\nkind = "exact"\ndelay_budget_s = 9.0\n'
        '[channel]\nfading = { kind = "none" }\n',
    )

    # A merged table would have both budgets and drift = "full".
    assert scenario.delay_budget_s == 9.0
    assert scenario.scheduler.drift == "paper"
    assert scenario.channel.path_loss == Scenario.load(folder / "network.toml").channel.path_loss


def test_a_later_key_replaces_the_key_that_it_excludes(folder: Path) -> None:
    extended = load(folder, "[scheduler]\ndelay_budget_s = 9.0\n")
    overridden = Scenario.load(folder / "network.toml", {"scheduler.delay_budget_s": 9.0})
    restored = load(
        folder, "[scheduler]\ndelay_budget_s = 9.0\n", **{"scheduler.delay_budget_s_per_bit": 1e-6}
    )

    assert Scenario.load(folder / "network.toml").scheduler.delay_budget_s_per_bit is not None
    for scenario in (extended, overridden):
        assert (scenario.scheduler.delay_budget_s, scenario.scheduler.delay_budget_s_per_bit) == (
            9.0,
            None,
        )
    assert (restored.scheduler.delay_budget_s, restored.scheduler.delay_budget_s_per_bit) == (
        None,
        1e-6,
    )


def test_files_extend_each_other_in_a_chain_and_the_nearest_wins(folder: Path) -> None:
    (folder / "far").mkdir()
    (folder / "far" / "base.toml").write_text(NETWORK)
    (folder / "far" / "middle.toml").write_text('extends = "base.toml"\nseed = 2\nrounds = 2\n')
    (folder / "near.toml").write_text('extends = "far/middle.toml"\nrounds = 9\n')

    scenario = Scenario.load(folder / "near.toml")

    assert (scenario.seed, scenario.rounds, scenario.devices.count) == (2, 9, 4)
    assert scenario.name == "near"


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("devices.count=50", "devices.count", 50),
        ("cell.bandwidth_hz=1e6", "cell.bandwidth_hz", 1e6),
        ("scheduler.kind=greedy", "scheduler.kind", "greedy"),
        ("scheduler.kind='greedy'", "scheduler.kind", "greedy"),
        (' scheduler.kind = "greedy" ', "scheduler.kind", "greedy"),
        ("learner.data.overlap=true", "learner.data.overlap", True),
        (
            "learner.model=google-bert/bert-base-uncased",
            "learner.model",
            "google-bert/bert-base-uncased",
        ),
        ("learner.data.path=/data/sst2", "learner.data.path", "/data/sst2"),
        ("learner.data.path=../sst2", "learner.data.path", "../sst2"),
        ("scheduler.drift=", "scheduler.drift", None),
        ("learner.lora.targets=['query']", "learner.lora.targets", ["query"]),
        ("learner.optimizer={kind='sgd',lr=0.1}", "learner.optimizer", {"kind": "sgd", "lr": 0.1}),
    ],
)
def test_set_takes_toml_values_and_bare_words(argument: str, key: str, value: object) -> None:
    assert parse_set(argument) == (key, value)


def test_set_without_a_value_removes_a_key(folder: Path, airtune: Airtune) -> None:
    default = Scenario.load(folder / "network.toml", {"scheduler.drift": None})
    replaced = Scenario.load(
        folder / "network.toml",
        {
            "channel.path_loss": None,
            "channel.fading": None,
            "channel.gains": {"path": "gains.parquet"},
        },
    )

    assert Scenario.load(folder / "network.toml").scheduler.drift == "full"
    assert default.scheduler.drift == "paper"
    assert replaced.channel.gains is not None
    for key, line in (
        ("cell.bandwidth_hz", "network.toml: cell.bandwidth_hz is missing\n"),
        ("cell.bandwith_hz", "--set cell.bandwith_hz=: there is no such key to remove\n"),
        ("cell.compute.workers", "--set cell.compute.workers: cell.compute is not a table\n"),
    ):
        answer = airtune("validate", "network.toml", "--set", f"{key}=")
        assert (answer.status, answer.out, answer.err) == (2, "", line)
    answer = airtune(
        "sweep", "network.toml", "--vary", "devices.count=2,,4", "--seeds", "0:1", "--out", "s"
    )
    assert (answer.status, answer.err) == (2, "--vary devices.count=2,,4: a value is missing\n")


def test_another_policy_by_set_keeps_the_keys_that_all_policies_share(folder: Path) -> None:
    settings = dict([parse_set("scheduler.kind=greedy")])

    scenario = Scenario.load(folder / "network.toml", settings)

    assert scenario.scheduler.kind == "greedy"
    assert scenario.delay_budget_s == pytest.approx(51.904512, rel=1e-15)


def test_a_table_by_set_is_merged_and_later_settings_win(folder: Path, airtune: Airtune) -> None:
    settings = [
        "devices.placement={kind='disc', radius_m=7.0}",
        "rounds=5",
        "rounds=2",
        "trace.devices=scheduled",
    ]
    arguments = set_arguments(settings)

    answer = airtune("run", "network.toml", "--no-learning", "--json", "--out", "out", *arguments)

    assert answer.status == 0
    tables = analysis.load("out").scenario
    assert tables["devices"]["placement"] == {
        "kind": "disc",
        "center_m": [300.0, 0.0],
        "radius_m": 7.0,
    }
    assert (tables["rounds"], tables["trace"]["devices"]) == (2, "scheduled")


def test_overrides_never_change_the_file_or_each_other(folder: Path) -> None:
    placement = {"kind": "disc", "radius_m": 7.0}

    Scenario.load(
        folder / "network.toml", {"devices.placement": placement, "devices.placement.radius_m": 8.0}
    )

    assert placement == {"kind": "disc", "radius_m": 7.0}
    assert (folder / "network.toml").read_text() == NETWORK


def test_a_path_is_relative_to_the_file_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = folder / "below"
    (below / "model").mkdir(parents=True)
    table = LEARNER.replace('{ name = "movie_reviews" }', '{ path = "data" }').replace(
        "minilm", "model"
    )
    (below / "base.toml").write_text(NETWORK + table)
    (folder / "child.toml").write_text('extends = "below/base.toml"\nrounds = 2\n')
    monkeypatch.chdir(folder.parent)

    learner = Scenario.load(f"{folder.name}/child.toml").learner
    by_set = Scenario.load(f"{folder.name}/child.toml", {"learner.data.path": "data"}).learner

    assert learner is not None
    assert by_set is not None
    assert learner.data.path == str(below / "data")
    assert learner.model == str(below / "model")
    assert by_set.data.path == str(folder.parent / "data")


def test_a_model_name_that_is_no_directory_is_unchanged(folder: Path) -> None:
    learner = Scenario.load(folder / "learning.toml").learner

    assert learner is not None
    assert learner.model == "minilm"


def test_a_byte_order_mark_is_not_an_error(folder: Path) -> None:
    (folder / "marked.toml").write_bytes(b"\xef\xbb\xbf" + NETWORK.replace("\n", "\r\n").encode())

    assert (
        Scenario.load(folder / "marked.toml").tables()
        == Scenario.load(folder / "network.toml").tables()
    )


@pytest.mark.parametrize("name", ["network", "learning"])
def test_the_resolved_scenario_loads_again_unchanged(name: str, folder: Path) -> None:
    scenario = Scenario.load(
        folder / f"{name}.toml", {"seed": 2**70, "scheduler.queue_initial_budgets": 0.1}
    )

    out = folder / "out"
    coupling.run(scenario, out, learning=False)

    reloaded = Scenario.load(out / "scenario.toml")
    assert reloaded.tables() == scenario.tables()
    assert reloaded.digest() == scenario.digest()
    run = analysis.load(out)
    assert run.scenario == scenario.tables()
    assert run.provenance["scenario_sha256"] == scenario.digest()


def test_the_resolved_scenario_runs_to_the_same_tables(folder: Path) -> None:
    original = coupling.run(Scenario.load(folder / "network.toml"), folder / "a", learning=False)

    repeated = coupling.run(
        Scenario.load(folder / "a" / "scenario.toml"), folder / "b", learning=False
    )

    assert analysis.load(repeated).devices.equals(analysis.load(original).devices)


def test_every_key_that_differs_gives_another_digest(folder: Path) -> None:
    changes: list[dict[str, object]] = [
        {},
        {"seed": 2},
        {"devices.count": 5},
        {"scheduler.kind": "exact"},
        {"scheduler.drift": "paper"},
        {"scheduler.zeta.initial": 2.0},
        {"cell.bandwidth_hz": 9e6},
        {"channel.fading": {"kind": "none"}},
        {"devices.compute": {"speed_per_s": 1.0}},
    ]

    digests = {Scenario.load(folder / "network.toml", change).digest() for change in changes}

    assert len(digests) == len(changes)


def test_a_default_that_is_spelled_out_gives_the_same_digest(folder: Path) -> None:
    defaults = {
        "world_clock": "time",
        "trace.devices": "all",
        "scheduler.zeta": {"kind": "inverse_sqrt"},
    }

    digests = {
        Scenario.load(folder / "network.toml", overrides).digest() for overrides in ({}, defaults)
    }

    assert len(digests) == 1


def test_only_the_seed_leaves_the_setup_digest_unchanged(folder: Path) -> None:
    digests = [
        Scenario.load(folder / "network.toml", overrides).setup_digest()
        for overrides in ({}, {"seed": 2}, {"rounds": 9})
    ]

    assert digests[0] == digests[1] != digests[2]


def test_no_default_changes_without_a_new_digest_version() -> None:
    # Defaults count as absent in a digest, so a changed default would give two runs one digest.
    # To change a default, raise DIGEST_VERSION and write the new value to defaults.json.
    golden = json.loads((Path(__file__).parent / "defaults.json").read_text())
    tables = json_schema()["$defs"] | {"Scenario": json_schema()}
    present = {
        f"{table}.{key}": entry["default"]
        for table, content in tables.items()
        for key, entry in content.get("properties", {}).items()
        if "default" in entry
    }

    changed = {key: value for key, value in golden["defaults"].items() if present[key] != value}

    assert len(golden["defaults"]) > 50
    assert golden["schema"] == DIGEST_VERSION, "a new version needs new golden defaults"
    assert changed == {}


def test_every_whole_number_has_bounds() -> None:
    # Numbers of hundreds of digits pass every comparison and fail in arithmetic with floats.
    waiting: list[Any] = [json_schema()]
    unbounded, seen = [], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "integer" and "const" not in node and "enum" not in node:
                seen += 1
                if not {"maximum", "exclusiveMaximum"} & node.keys():
                    unbounded.append(node)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node

    assert seen > 20
    assert unbounded == []


def test_every_key_is_described() -> None:
    tables = json_schema()["$defs"] | {"Scenario": json_schema()}

    bare = [
        f"{table}.{key}"
        for table, content in tables.items()
        for key, entry in content.get("properties", {}).items()
        if key != "kind" and not entry.get("description")
    ]

    assert bare == []


OLD_CSI = "scheduler.knowledge has been renamed; write scheduler.csi instead"


def test_a_renamed_key_in_a_file_is_refused_with_its_new_name(
    folder: Path, airtune: Airtune
) -> None:
    (folder / "old.toml").write_text(
        'extends = "network.toml"\n[scheduler]\nknowledge = { kind = "noisy", std_db = 3 }\n'
    )
    (folder / "laid.toml").write_text('extends = "old.toml"\n')

    for scenario in ("old.toml", "laid.toml"):
        answer = airtune("validate", scenario)
        assert (answer.status, answer.err) == (2, f"old.toml: {OLD_CSI}\n")


def test_a_renamed_key_on_the_command_line_is_refused(folder: Path, airtune: Airtune) -> None:
    set_key = airtune("validate", "network.toml", "--set", "scheduler.knowledge.kind=perfect")
    vary = ("--vary", "scheduler.knowledge={kind='perfect'}")
    varied = airtune("sweep", "network.toml", *vary, "--out", "sweep")

    for answer, option in ((set_key, "--set"), (varied, "--vary")):
        assert answer.status == 2
        assert answer.err == f"network.toml: {OLD_CSI} (from {option})\n"
    assert set(folder.iterdir()) == {folder / "network.toml", folder / "learning.toml"}
