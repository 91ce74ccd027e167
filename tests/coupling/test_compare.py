"""Policies side by side: same worlds, equal budgets or equal realised delays."""

import json
from pathlib import Path

import pytest
from coupled import Airtune

from coupling import ScenarioError
from coupling.compare import parse_seeds

COMPARE = (
    "compare",
    "network.toml",
    "--no-learning",
    "--set",
    "rounds=60",
    "--set",
    "devices.count=12",
    "--json",
)


def rows(airtune: Airtune, *arguments: str) -> dict[str, dict[str, float]]:
    answer = airtune(*COMPARE, *arguments)
    assert answer.status == 0, answer.err
    return {row["policy"]: row for row in json.loads(answer.out)}


def test_at_equal_delay_the_realised_mean_delays_agree_and_the_first_policy_keeps_its_budget(
    folder: Path, airtune: Airtune
) -> None:
    found = rows(airtune, "--policies", "exact,algorithm1,greedy", "--seeds", "0:3", "--equal-delay")

    target_s = found["exact"]["delay_mean_s"]
    for row in found.values():
        assert row["delay_mean_s"] == pytest.approx(target_s, rel=0.01)
        assert row["seeds"] == 3
    assert found["exact"]["delay_budget_s"] == pytest.approx(51.904512)
    assert found["exact"]["scheduled_difference"] == 0
    assert found["greedy"]["scheduled_difference"] == pytest.approx(
        found["greedy"]["scheduled_mean"] - found["exact"]["scheduled_mean"]
    )
    assert found["greedy"]["scheduled_difference_high"] < 0


def test_everybody_always_under_rayleigh_fading_has_no_interval_and_says_why(
    folder: Path, airtune: Airtune
) -> None:
    found = rows(airtune, "--policies", "greedy,all_in", "--seeds", "0:3")

    assert found["all_in"]["delay_mean_low_s"] is None
    assert "no finite mean" in str(found["all_in"]["delay_mean_note"])
    assert found["greedy"]["delay_mean_note"] is None
    assert found["greedy"]["over_budget"] == 0
    assert (
        found["all_in"]["delay_p50_low_s"]
        <= found["all_in"]["delay_p50_s"]
        <= found["all_in"]["delay_p50_high_s"]
    )


def test_a_delay_that_no_budget_moves_is_said_so(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*COMPARE, "--policies", "greedy,all_in", "--seeds", "0:2", "--equal-delay")

    assert answer.status == 0
    assert "warning: all_in: no budget brings its mean delay to 51" in answer.err


def test_runs_are_kept_where_asked_and_a_rerun_uses_them(folder: Path, airtune: Airtune) -> None:
    first = rows(airtune, "--policies", "greedy,aaba", "--seeds", "1,2", "--out", "kept")
    names = sorted(path.name for path in (folder / "kept").iterdir())
    again = rows(airtune, "--policies", "greedy,aaba", "--seeds", "1,2", "--out", "kept")

    assert names == ["aaba-1-x1", "aaba-2-x1", "greedy-1-x1", "greedy-2-x1"]
    assert again == first


@pytest.mark.parametrize("text", ["", "a:b", "3:3", "1,1", "-1", "1:2:3"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="--seeds"):
        parse_seeds(text)


def test_an_unknown_policy_is_refused_before_anything_runs(folder: Path, airtune: Airtune) -> None:
    answer = airtune(*COMPARE, "--policies", "exact,gredy", "--out", "kept")

    assert answer.status == 2
    assert "did you mean greedy?" in answer.err
    assert not (folder / "kept").exists()
