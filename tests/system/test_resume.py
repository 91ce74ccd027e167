import json
import shlex
import shutil
from pathlib import Path

import pytest
from support.small_runs import (
    COMING_AND_GOING,
    MOVING,
    NETWORK,
    ROOT,
    assert_same_tables,
    network,
    stop_after,
    tables,
)

from coupling import RunError, Scenario, run
from coupling.cli.app import main
from coupling.scenario.errors import Interrupted
from coupling.simulation.result import RunResult
from coupling.simulation.run import resume
from learner.precision import probe


def stopped(scenario: Scenario, out: Path, at: int, **options: bool) -> Path:
    note, stop = stop_after(at)
    with pytest.raises(Interrupted):
        run(scenario, out, on_round=note, stop=stop, **options)
    return out


@pytest.mark.parametrize("at", [1, 4, 5, 11])
def test_a_network_run_stopped_after_any_round_resumes_to_equal_tables(
    tmp_path: Path, at: int
) -> None:
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", at))

    assert_same_tables(resumed, whole)


@pytest.mark.parametrize("at", [1, 7])
def test_a_moving_world_and_the_legs_of_the_split_step_go_on_bit_by_bit(
    tmp_path: Path, at: int
) -> None:
    scenario = network(tmp_path, **MOVING)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", at))

    assert_same_tables(resumed, whole)
    assert {"embedding", "feature", "gradient"} <= set(
        tables(whole)["transfers"]["leg"].to_pylist()
    )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scenarios").glob("**/*.toml")), ids=lambda path: path.stem
)
def test_the_network_of_every_scenario_goes_on_bit_by_bit(tmp_path: Path, path: Path) -> None:
    scenario = Scenario.load(path, {"rounds": 4})
    whole = run(scenario, tmp_path / "whole", learning=False)

    resumed = resume(stopped(scenario, tmp_path / "stopped", 2, learning=False))

    assert_same_tables(resumed, whole)


@pytest.mark.parametrize(
    "policy",
    [
        {"kind": "random", "count": 2},
        {"kind": "round_robin", "count": 2},
        {"kind": "proportional_fair", "count": 2},
        {"kind": "knapsack_energy", "energy_budget_j": 20.0},
    ],
    ids=lambda policy: policy["kind"],
)
def test_a_policy_that_looks_back_sees_the_rounds_before_the_stop(
    tmp_path: Path, policy: dict[str, object]
) -> None:
    scenario = network(tmp_path, scheduler={"delay_budget_s": 60.0} | policy)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", 5))

    assert_same_tables(resumed, whole)
    kept = "checkpoint/devices.safetensors"
    assert (resumed / kept).read_bytes() == (whole / kept).read_bytes(), (
        "what no policy here looks at"
    )


@pytest.mark.parametrize("at", [1, 7])
def test_a_server_whose_knowledge_is_late_still_knows_the_earlier_rounds(
    tmp_path: Path, at: int
) -> None:
    late = {"csi": {"kind": "delayed", "blocks": 3}}
    scenario = network(tmp_path, scheduler=NETWORK["scheduler"] | late)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", at))

    assert_same_tables(resumed, whole)


@pytest.mark.parametrize("learning", [True, False])
def test_federated_averaging_goes_on_bit_by_bit(
    tmp_path: Path, tiny_learner_table: dict[str, object], learning: bool
) -> None:
    protocol = {"kind": "fedavg_lora", "payload_bit": 4e6, "local_steps": 2}
    scheduler = {"kind": "all_in", "delay_budget_s": 2.0}
    changes = {"protocol": protocol, "learner": tiny_learner_table, "scheduler": scheduler}
    scenario = network(tmp_path, **MOVING | changes)
    whole = run(scenario, tmp_path / "whole", learning=learning)

    resumed = resume(stopped(scenario, tmp_path / "stopped", 5, learning=learning))

    assert_same_tables(resumed, whole)
    assert (
        len(set(tables(whole)["rounds"]["train_loss"].drop_null().to_pylist())) > 3 or not learning
    )


@pytest.mark.parametrize("at", [2, 9])
@pytest.mark.parametrize("learning", [True, False])
def test_centralised_training_resumes_bit_by_bit_with_the_arrived_data(
    tmp_path: Path, tiny_learner_table: dict[str, object], learning: bool, at: int
) -> None:
    protocol = {"kind": "centralised", "payload_bit": 4e6}
    scheduler = {"kind": "round_robin", "count": 1, "delay_budget_s": 2.0}
    changes = {"protocol": protocol, "learner": tiny_learner_table, "scheduler": scheduler}
    scenario = network(tmp_path, **MOVING | changes)
    whole = run(scenario, tmp_path / "whole", learning=learning)

    resumed = resume(stopped(scenario, tmp_path / "stopped", at, learning=learning))

    assert_same_tables(resumed, whole)
    assert sorted(tables(whole)["transfers"]["device"].to_pylist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("at", [1, 4, 9])
def test_batteries_and_who_is_there_go_on_bit_by_bit(tmp_path: Path, at: int) -> None:
    scenario = network(tmp_path, devices=COMING_AND_GOING)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", at))

    assert_same_tables(resumed, whole)
    devices = tables(whole)["devices"].to_pandas()
    charge_j, there = devices.battery_j, devices.available
    at_stake = charge_j[devices["round"] == at + 1]
    assert at_stake[at_stake < 120.0].nunique() > 2, (
        "devices have charges of their own to be remembered"
    )
    assert 0 < there.mean() < 1
    assert "aborted" in tables(whole)["transfers"]["status"].to_pylist()


def test_a_run_stopped_again_and_again_still_comes_to_the_same_tables(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")
    folder = stopped(scenario, tmp_path / "stopped", 2)
    for at in (5, 6, 9):
        note, stop = stop_after(at)
        with pytest.raises(
            Interrupted, match=f"after round {at}; continue with: airtune resume {folder}"
        ):
            resume(folder, on_round=note, stop=stop)

    resume(folder)

    assert_same_tables(folder, whole)


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_learning_goes_on_bit_by_bit(
    tmp_path: Path, tiny_learner_table: dict[str, object], executor: str
) -> None:
    scenario = network(
        tmp_path, rounds=14, every=None, learner=tiny_learner_table | {"executor": executor}
    )
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", 9))

    assert_same_tables(resumed, whole)
    for column in ("train_loss", "panel_loss"):
        losses = tables(whole)["rounds"][column].drop_null().to_pylist()
        assert len(set(losses)) > 3, "something was learned"


@pytest.mark.parametrize("fused_s", [0.1, 10.0])
def test_a_run_resumes_with_the_numbers_that_it_began_with(
    tmp_path: Path,
    tiny_learner_table: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    fused_s: float,
) -> None:
    """A probe that now answers otherwise changes nothing."""
    monkeypatch.setattr(probe, "HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "minimum_s", lambda sides, device: [fused_s, 1.0])
    measured = tiny_learner_table | {"precision": "auto", "attention": "auto"}
    scenario = network(tmp_path, learner=measured)
    whole = run(scenario, tmp_path / "whole")
    folder = stopped(scenario, tmp_path / "stopped", 5)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(probe, "minimum_s", lambda sides, device: [1.0, fused_s])

    resumed = resume(folder)

    assert_same_tables(resumed, whole)
    begun = json.loads((folder / "provenance.json").read_text())["torch_numerics"]
    faster = fused_s > 1.0
    assert begun == {
        "precision": "bfloat16" if faster else "float32",
        "attention": "plain" if faster else "sdpa",
    }


def test_learning_over_codecs_goes_on_bit_by_bit(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    codec = {
        "default": {"kind": "int8"},
        "gradient": {"kind": "top_k", "k": 4},
        "skip_padding": True,
    }
    actual = {**MOVING, "protocol": {"kind": "phased", "payload_bit": "actual"}}
    scenario = network(
        tmp_path, rounds=8, every=3, learner=tiny_learner_table | {"codec": codec}, **actual
    )
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", 5))

    assert_same_tables(resumed, whole)
    assert tables(whole)["rounds"]["train_loss"].drop_null().to_pylist()


def test_the_learner_that_goes_on_has_the_weights_of_one_never_stopped(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    scenario = network(tmp_path, rounds=14, every=14, learner=tiny_learner_table)
    whole = run(scenario, tmp_path / "whole")

    resumed = resume(stopped(scenario, tmp_path / "stopped", 9))

    weights = "checkpoint/learner/learner.safetensors"
    assert (resumed / weights).read_bytes() == (whole / weights).read_bytes()


def test_a_run_of_the_network_alone_resumes_without_its_learner(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    scenario = network(tmp_path, learner=tiny_learner_table)
    whole = run(scenario, tmp_path / "whole", learning=False)

    resumed = resume(stopped(scenario, tmp_path / "stopped", 5, learning=False))

    assert_same_tables(resumed, whole)


def test_a_stop_before_the_first_round_leaves_a_run_that_can_start(
    tmp_path: Path,
) -> None:
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")

    with pytest.raises(Interrupted, match="after round 0"):
        run(scenario, tmp_path / "stopped", stop=lambda: True)

    assert_same_tables(resume(tmp_path / "stopped"), whole)


def test_the_line_that_resumes_can_be_given_to_a_shell(tmp_path: Path) -> None:
    note, stop = stop_after(2)

    with pytest.raises(Interrupted) as caught:
        run(network(tmp_path), tmp_path / "two words", on_round=note, stop=stop)

    assert shlex.split(str(caught.value))[-3:] == ["airtune", "resume", str(tmp_path / "two words")]


def test_without_a_checkpoint_the_run_begins_again_and_says_so(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")
    folder = stopped(scenario, tmp_path / "stopped", 5)
    shutil.rmtree(folder / "checkpoint")
    told: list[str] = []

    resume(folder, log=told.append)

    assert told == [f"{folder}: has no checkpoint; the run begins again"]
    assert_same_tables(folder, whole)


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    run(network(tmp_path), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}

    resume(folder)

    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == before


def test_the_provenance_tells_of_every_process_that_worked_on_the_run(tmp_path: Path) -> None:
    folder = stopped(network(tmp_path), tmp_path / "stopped", 5)
    first = json.loads((folder / "provenance.json").read_text())
    assert (first["state"], first["round"], first["resumed"]) == ("interrupted", 5, [])

    resume(folder)

    last = json.loads((folder / "provenance.json").read_text())
    assert (last["state"], last["round"], last["started"]) == ("finished", 12, first["started"])
    assert last["wall_s"] > first["wall_s"]
    assert last["simulated_s"] > first["simulated_s"] > 0
    assert [entry["versions"] for entry in last["resumed"]] == [first["versions"]]


@pytest.mark.parametrize("lost", ["new", "none", "between", "current"])
def test_a_checkpoint_broken_off_at_any_step_leaves_one_that_counts(
    tmp_path: Path, lost: str
) -> None:
    """The steps of ``checkpoint.save``, each as a machine that stops there leaves it."""
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")
    folder = stopped(scenario, tmp_path / "stopped", 5)
    current, new, old = (
        folder / name for name in ("checkpoint", "checkpoint.new", "checkpoint.old")
    )
    earlier = stopped(scenario, tmp_path / "earlier", 3) / "checkpoint"
    match lost:
        case "new":  # while the new one is written
            new.mkdir()
            (new / "state.json").write_text("{")
        case "none":  # before the first rename
            shutil.copytree(current, new)
        case "between":  # after the first rename, before the second
            shutil.copytree(earlier, old)
            current.rename(new)
        case "current":  # while the former one is removed
            shutil.copytree(earlier, old)
            (old / "state.json").unlink()

    resume(folder)

    assert_same_tables(folder, whole)


def test_between_the_renames_the_newer_checkpoint_counts(tmp_path: Path) -> None:
    folder = stopped(network(tmp_path), tmp_path / "stopped", 5)
    shutil.copytree(
        stopped(network(tmp_path), tmp_path / "earlier", 3) / "checkpoint",
        folder / "checkpoint.old",
    )
    (folder / "checkpoint").rename(folder / "checkpoint.new")
    rounds: list[int] = []

    resume(folder, on_round=lambda record: rounds.append(record.round))

    assert rounds[0] == 6


def test_a_scenario_that_was_edited_meanwhile_is_refused(tmp_path: Path) -> None:
    folder = stopped(network(tmp_path), tmp_path / "stopped", 5)
    text = (folder / "scenario.toml").read_text()
    (folder / "scenario.toml").write_text(text.replace("seed = 1", "seed = 2"))

    with pytest.raises(
        RunError, match=r"scenario\.toml: is not the scenario that this run began with$"
    ):
        resume(folder)


def test_a_run_of_a_version_that_knew_fewer_keys_goes_on(tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    folder = stopped(network(tmp_path), tmp_path / "stopped", 5)
    text = (folder / "scenario.toml").read_text()
    fewer = text.replace('world_clock = "time"\n', "").replace('queue_update = "eq18"\n', "")
    assert len(text) - len(fewer) == len('world_clock = "time"\nqueue_update = "eq18"\n')
    (folder / "scenario.toml").write_text(fewer)

    assert_same_tables(resume(folder), whole)


def test_resume_of_a_scenario_alone_says_how_to_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    alone = tmp_path / "scenario alone"
    alone.mkdir()
    shutil.copy(tmp_path / "whole" / "scenario.toml", alone)

    assert main(["resume", str(alone)]) == 2

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert main(shlex.split(line.partition("begin with: airtune ")[2])) == 0
    assert_same_tables(RunResult(alone), whole)
