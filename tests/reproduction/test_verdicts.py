"""Verdict rule, and the claims and stages of the reproduction."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from coupling import Scenario
from coupling.scenario.file import parse_set
from coupling.sweeps.grid import parse_vary
from reproduction import stages, verdicts
from reproduction.measures import COSTS, LEARNED, REAL, WALL, WHOLE
from reproduction.tables import varied
from reproduction.verdicts import Claim, Contrast, Verdict

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = stages.read()
CLAIMS = verdicts.read()


def judged(differences: list[float]) -> Verdict:
    """Return the verdict on the claim x > y for these differences of the seeds."""
    measured = {"s/v/x": {seed: 10.0 + d for seed, d in enumerate(differences)}, "s/v/y": {}}
    measured["s/v/y"] = dict.fromkeys(measured["s/v/x"], 10.0)
    claim = Claim(
        says="x > y",
        source="ours",
        contrasts=[Contrast(measure="m", plus=["s/v/x"], minus=["s/v/y"])],
    )
    [result] = verdicts.decide(claim, lambda runs, measure: measured[runs])
    return result.verdict


def test_a_difference_is_held_if_its_interval_lies_above_zero() -> None:
    # Mean 2, standard deviation 1, n = 3: 2 +- 4.303 / sqrt(3) reaches from -0.48 to 4.48.
    assert judged([1.0, 2.0, 3.0]) == "undecided"
    # The same spread around 3: from 0.52 to 5.48.
    assert judged([2.0, 3.0, 4.0]) == "held"
    assert judged([-2.0, -3.0, -4.0]) == "not held"


def test_a_difference_of_two_seeds_is_undecided_however_large() -> None:
    assert judged([5.0, 5.0]) == "undecided"
    assert judged([5.0, 5.0, 5.0]) == "held"


def test_seeds_that_one_side_lacks_count_for_nothing() -> None:
    measured: dict[str, Mapping[int, float]] = {
        "s/v/x": {1: 2.0, 2: 3.0, 3: 4.0, 4: -900.0},
        "s/v/y": {1: 0.0, 2: 0.0, 3: 0.0},
    }
    claim = Claim(
        says="", source="ours", contrasts=[Contrast(measure="m", plus=["s/v/x"], minus=["s/v/y"])]
    )

    [result] = verdicts.decide(claim, lambda runs, measure: measured[runs])

    assert (result.interval.estimate, result.interval.seeds) == (3.0, 3)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["held", "held"], "held"),
        (["held", "undecided"], "undecided"),
        (["undecided", "not held"], "not held"),
        ([], "undecided"),
    ],
)
def test_a_claim_is_held_if_all_its_differences_are(parts: list[Verdict], whole: Verdict) -> None:
    assert verdicts.combine(parts) == whole


@pytest.mark.parametrize("scale", ["cpu", "full"])
@pytest.mark.parametrize("name", PLAN.stages)
def test_every_call_of_a_stage_has_valid_scenarios(name: str, scale: stages.Scale) -> None:
    for command in stages.commands(PLAN, name, scale, runs=Path("runs"), data="../data", jobs=2):
        arguments = list(command.arguments)
        settings = dict(
            parse_set(arguments[index + 1])
            for index, word in enumerate(arguments)
            if word == "--set"
        )
        vary = parse_vary(
            [arguments[index + 1] for index, word in enumerate(arguments) if word == "--vary"]
        )
        for values in itertools.product(*vary.values()):
            scenario = Scenario.load(
                ROOT / arguments[1], settings | dict(zip(vary, values, strict=True))
            )
            assert (scenario.learner is not None) or not PLAN.stages[name].learning


def planned() -> set[str]:
    """Return the names of all runs that the stages make."""
    names_of_runs = set()
    for name, stage in PLAN.stages.items():
        for variant, sweep in stage.variants.items():
            values = stage.vary if sweep.vary is None else sweep.vary
            names = {f"{name}/{variant}"}
            for key in varied(stage, variant):
                entries = values.get(key) or [sweep.set[key]]
                names = {f"{front}/{entry}" for front in names for entry in entries}
            names_of_runs |= names
    return names_of_runs


def test_every_claim_names_planned_runs_and_a_table_column() -> None:
    columns = {*WHOLE, *REAL, *WALL, *LEARNED, "accuracy_in_time"}
    columns |= {f"accuracy_equal_{cost}" for cost in COSTS}
    runs = planned()
    for name, claim in CLAIMS.items():
        assert claim.contrasts, name
        for contrast in claim.contrasts:
            assert contrast.measure in columns, name
            assert set(contrast.plus) | set(contrast.minus) <= runs, name
