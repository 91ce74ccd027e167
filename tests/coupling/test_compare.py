"""Comparison of policies: same worlds, equal budgets or equal realised delays."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.command_line import Airtune, listing, set_arguments

from coupling import Scenario, ScenarioError
from coupling.scenario.tables.scheduler import options_of
from coupling.sweeps.compare import compare, parse_seeds
from netsim.scheduling import create

COMPARE = (
    "compare",
    "network.toml",
    "--no-learning",
    "--rounds",
    "60",
    "--set",
    "devices.count=12",
    "--json",
)


def rows(airtune: Airtune, *arguments: str) -> dict[str, dict[str, float]]:
    answer = airtune(*COMPARE, *arguments)
    assert answer.status == 0, answer.err
    return {row["policy"]: row for row in json.loads(answer.out)}


def test_at_equal_delay_the_mean_delays_agree_with_that_of_the_reference(
    folder: Path, airtune: Airtune
) -> None:
    summaries = rows(
        airtune, "--policies", "exact,algorithm1,greedy", "--seeds", "0:3", "--equal-delay"
    )

    target_s = summaries["exact"]["delay_mean_s"]
    for row in summaries.values():
        assert row["delay_mean_s"] == pytest.approx(target_s, rel=0.01)
        assert row["seeds"] == 3
    assert summaries["exact"]["delay_budget_s"] == pytest.approx(51.904512)
    assert summaries["exact"]["scheduled_difference"] == 0
    assert summaries["greedy"]["scheduled_difference"] == pytest.approx(
        summaries["greedy"]["scheduled_mean"] - summaries["exact"]["scheduled_mean"]
    )
    assert summaries["greedy"]["scheduled_difference_high"] < 0


def test_all_devices_under_rayleigh_fading_give_no_interval_and_the_reason(
    folder: Path, airtune: Airtune
) -> None:
    summaries = rows(airtune, "--policies", "greedy,all_in", "--seeds", "0:3")

    assert summaries["all_in"]["delay_mean_low_s"] is None
    assert "no finite mean" in str(summaries["all_in"]["delay_mean_note"])
    assert summaries["greedy"]["delay_mean_note"] is None
    assert summaries["greedy"]["over_budget"] == 0
    assert (
        summaries["all_in"]["delay_p50_low_s"]
        <= summaries["all_in"]["delay_p50_s"]
        <= summaries["all_in"]["delay_p50_high_s"]
    )


def test_a_delay_that_no_budget_changes_is_reported(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*COMPARE, "--policies", "greedy,all_in", "--seeds", "0:2", "--equal-delay")

    assert answer.status == 0
    assert "warning: all_in: no budget brings its mean delay to 51" in answer.err


def test_runs_are_kept_in_the_out_folder_and_a_rerun_uses_them(
    folder: Path, airtune: Airtune
) -> None:
    summaries = rows(airtune, "--policies", "greedy,aaba", "--seeds", "1,2", "--out", "kept")
    names = sorted(path.name for path in (folder / "kept").iterdir())
    rerun = rows(airtune, "--policies", "greedy,aaba", "--seeds", "1,2", "--out", "kept")

    assert names == ["aaba-1-x1", "aaba-2-x1", "greedy-1-x1", "greedy-2-x1"]
    assert rerun == summaries


def test_other_runs_in_the_out_folder_are_refused_before_any_run(
    folder: Path, airtune: Airtune
) -> None:
    command = ("compare", "network.toml", "--no-learning", "--seeds", "0:2", "--out", "kept")
    assert airtune(*command, "--policies", "exact").status == 0
    content = listing(folder)

    answer = airtune(*command, "--policies", "greedy,exact", "--set", "rounds=2")

    assert answer.status == 2
    assert answer.err.endswith(
        "--out kept/exact-0-x1: has a run with other settings; name a new directory\n"
    )
    assert listing(folder) == content


def test_input_files_that_changed_between_comparisons_are_reported(
    folder: Path, airtune: Airtune
) -> None:
    command = ("compare", "network.toml", "--no-learning", "--policies", "exact", "--out", "kept")
    recorded = set_arguments(["channel.gains.path=gains.csv"])
    gains = "block,device,gain\n" + "".join(f"1,{device},1e-6\n" for device in range(4))
    (folder / "gains.csv").write_text(gains)
    first = airtune(*command, "--seeds", "0:1", *recorded)
    (folder / "gains.csv").write_text(gains.replace("1e-6", "1e-7"))

    second = airtune(*command, "--seeds", "0:2", *recorded)

    assert (first.status, second.status) == (0, 0)
    assert "has changed" not in first.err
    assert second.err.endswith("gains.csv: has changed since runs in kept met it\n")


def test_finished_runs_are_compared_without_being_run_anew(folder: Path, airtune: Airtune) -> None:
    ran = rows(airtune, "--policies", "greedy,aaba", "--seeds", "0:3", "--out", "kept")
    answer = airtune("compare", "kept", "--json")
    table = airtune("compare", *map(str, sorted((folder / "kept").iterdir())), "--by", "policy")

    assert ran["aaba"]["scheduled_difference_verdict"] == "lower"
    assert {row["policy"]: row["scheduled_mean"] for row in json.loads(answer.out)} == {
        policy: row["scheduled_mean"] for policy, row in ran.items()
    }
    assert table.status == 0
    assert "time on air (s)" in table.out
    assert "simulated time (s)" in table.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["network.toml"], "network.toml: is no directory of runs; with a scenario, name the"),
        (["runs", "--seeds", "0:3"], "--seeds: is for runs to come; name their policies"),
        (["network.toml", "--policies", "greedy", "--by", "seed"], "excludes --by and --within"),
        (["runs", "--by", "seed"], "runs: is not a run directory, and holds none"),
    ],
)
def test_a_comparison_of_runs_that_cannot_be_made_is_one_line(
    arguments: list[str], line: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "runs").mkdir(exist_ok=True)

    answer = airtune("compare", *arguments)

    assert (answer.status, answer.out) == (2, "")
    assert line in answer.err
    assert answer.err.count("\n") == 1


def test_an_option_that_one_policy_has_does_not_stop_the_others(
    folder: Path, airtune: Airtune
) -> None:
    # The option is given once by --set and once in the file.
    (folder / "three.toml").write_text(
        'extends = "network.toml"\n[scheduler]\nkind = "random"\ncount = 3\n'
        "delay_budget_s_per_bit = 1e-6\n"
    )
    policies = ("--policies", "exact,random,knapsack_energy", "--seeds", "0:2")
    energy = ("--set", "scheduler.energy_budget_j=20")
    by_set = rows(
        airtune, *policies, *energy, "--set", "scheduler.count=3", "--set", "scheduler.drift=paper"
    )
    answer = airtune("compare", "three.toml", *COMPARE[2:], *policies, *energy)
    in_file = {row["policy"]: row for row in json.loads(answer.out)}

    assert by_set["random"]["scheduled_mean"] == 3
    assert in_file == by_set
    refused = airtune(*COMPARE, "--policies", "exact,algorithm1", "--set", "scheduler.count=3")
    assert (refused.status, refused.out) == (2, "")
    assert (
        "scheduler.count is unknown to this policy; it is an option of random, round_robin"
        in refused.err
    )


def test_the_oracle_finds_the_largest_fixed_number_within_the_budget(
    folder: Path, airtune: Airtune
) -> None:
    summaries = rows(
        airtune,
        "--policies",
        "oracle_static,latency_first",
        "--seeds",
        "3",
        "--set",
        "scheduler.count=1",
    )
    single = summaries["oracle_static"]
    best = json.loads(airtune(*COMPARE, "--policies", "oracle_static", "--seeds", "3").out)[0]
    number = int(best["scheduled_mean"])
    one_more = ("--set", f"scheduler.count={number + 1}")
    larger = rows(airtune, "--policies", "latency_first", "--seeds", "3", *one_more)

    assert single["scheduled_mean"] == 1
    assert 1 < number == best["scheduled_mean"] < 12
    assert best["delay_mean_s"] <= best["delay_budget_s"] < larger["latency_first"]["delay_mean_s"]


@pytest.mark.parametrize(
    "settings",
    [
        ("devices.mobility={kind='random_waypoint',speed_mps=[1.0,2.0]}",),
        ("channel.fading.correlation={carrier_hz=2e9,scatterer_speed_mps=1.0}",),
    ],
)
def test_an_oracle_refuses_gains_that_depend_on_the_length_of_rounds(
    settings: tuple[str, ...], folder: Path, airtune: Airtune
) -> None:
    oracle = (
        "--set",
        "scheduler.kind=oracle_static",
        *set_arguments(settings),
    )
    by_round = ("--set", "world_clock=round", "--set", "round_period_s=60.0")

    refused = airtune("validate", "network.toml", *oracle)

    assert (refused.status, refused.out) == (2, "")
    assert "scheduler.count is missing: the best one is known beforehand only if" in refused.err
    assert airtune("validate", "network.toml", *oracle, *by_round).status == 0
    assert airtune("validate", "network.toml", *oracle, "--set", "scheduler.count=3").status == 0


@pytest.mark.parametrize("text", ["", "a:b", "3:3", "1,1", "-1", "1:2:3"])
def test_seeds_that_are_not_valid_are_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="--seeds"):
        parse_seeds(text)


def test_an_unknown_policy_is_refused_before_anything_runs(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*COMPARE, "--policies", "exact,gredy", "--out", "kept")

    assert answer.status == 2
    assert "did you mean greedy?" in answer.err
    assert not (folder / "kept").exists()


def test_a_comparison_from_python_has_the_runs_of_the_command(
    folder: Path, airtune: Airtune
) -> None:
    base = Scenario.load("network.toml", {"rounds": 60, "devices.count": 12})
    notes: list[str] = []

    runs = compare(
        base, ["greedy", "all_in"], range(2), tabulate=list, learning=False, equal_delay=True,
        out=folder / "python", on_note=notes.append,
    )  # fmt: skip
    rows(airtune, "--policies", "greedy,all_in", "--seeds", "0:2", "--equal-delay", "--out", "kept")

    assert notes[0].startswith("all_in: no budget brings its mean delay to 51")
    assert len(runs) == 4
    for run in runs:
        by_python, by_command = (
            pd.read_parquet(folder / place / run.name / "rounds") for place in ("python", "kept")
        )
        clocks = [name for name in by_python if name.endswith("_wall_s")]
        pd.testing.assert_frame_equal(
            by_python.drop(columns=clocks), by_command.drop(columns=clocks)
        )


def test_a_policy_that_is_named_twice_is_refused(folder: Path, airtune: Airtune) -> None:
    for policies in ("greedy,greedy", ""):
        answer = airtune(*COMPARE, "--policies", policies)
        assert (answer.status, answer.err) == (
            2, f"--policies {policies}: needs at least one policy, each once\n",
        )  # fmt: skip


def test_options_are_known_before_a_policy_was_created(tmp_path: Path) -> None:
    (tmp_path / "deferred_policy.py").write_text(
        "from dataclasses import field\n"
        "from pydantic.dataclasses import dataclass\n"
        "from netsim.scheduling.objective import Objective\n"
        "from netsim.parameters import CONFIG\n"
        "from netsim.scheduling import Allocation, Policy\n"
        "@dataclass(frozen=True, kw_only=True, config=CONFIG)\n"
        "class Deferred(Policy):\n"
        "    count: int\n"
        "    objective: Objective = field(default_factory=Objective)\n"
        "    def schedule(self, state):\n"
        "        return Allocation.empty()\n"
    )

    policy = create("deferred_policy:Deferred", [tmp_path], count=2, drift="full")
    assert vars(policy)["objective"].drift == "full"
    (tmp_path / "deferred_policy.py").rename(tmp_path / "another_policy.py")
    assert options_of("another_policy:Deferred", [tmp_path]) == {"count", "objective"}
