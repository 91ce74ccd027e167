"""Verdict rule, and the claims and stages of the reproduction."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from coupling import Scenario
from coupling.scenario.file import parse_set
from coupling.sweeps.grid import parse_vary
from reproduction import stages, verdicts
from reproduction.laws import LONG
from reproduction.measures import COSTS, COUNTED, LEARNED, REAL, WALL, WHOLE
from reproduction.tables import varied
from reproduction.verdicts import Claim, Contrast, Verdict

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = stages.read()
CLAIMS = verdicts.read()


def claim(*contrasts: Contrast, family: str = "one") -> Claim:
    return Claim(says="", source="ours", family=family, contrasts=list(contrasts))


def judged(*, long: int = 0, **differences: list[list[float]]) -> dict[str, Verdict]:
    """Return the verdicts on a family of claims with these differences of the seeds.

    The first ``long`` seeds of the base have a round that took longer than the queue before it.
    """
    measured: dict[str, dict[int, float]] = {}
    claims = {}
    for name, contrasts in differences.items():
        for place, values in enumerate(contrasts):
            measured[f"s/v/{name}{place}"] = {seed: 10.0 + d for seed, d in enumerate(values)}
        runs = [f"s/v/{name}{place}" for place in range(len(contrasts))]
        claims[name] = claim(
            *(Contrast(measure="m", plus=[entry], minus=["s/v/base"]) for entry in runs)
        )
    measured["s/v/base"] = dict.fromkeys(range(99), 10.0)
    over = {seed: float(seed < long) for seed in range(10)}

    def numbers(runs: str, measure: str) -> Mapping[int, float]:
        if measure == LONG:
            return over if runs == "s/v/base" else {}
        return measured[runs]

    results = verdicts.judge(claims, numbers)
    return {name: result.judgement.verdict for name, result in results.items() if result.judgement}


def test_a_claim_alone_is_held_if_its_interval_lies_above_zero() -> None:
    # Mean 2, standard deviation 1, n = 3: 2 +- 4.303 / sqrt(3) reaches from -0.48 to 4.48.
    assert judged(x=[[1.0, 2.0, 3.0]]) == {"x": "undecided"}
    # The same spread around 3: from 0.52 to 5.48.
    assert judged(x=[[2.0, 3.0, 4.0]]) == {"x": "held"}
    assert judged(x=[[-2.0, -3.0, -4.0]]) == {"x": "not held"}


def test_long_rounds_in_half_of_the_runs_leave_the_sign_test() -> None:
    # Student's t decides; the sign test has p = 1 / 2**10 with all signs alike, 11 / 2**10 not.
    alike, one_against = [2.0 + seed for seed in range(10)], [-1.0] + [9.0 + s for s in range(9)]

    assert judged(long=4, x=[alike], y=[one_against]) == {"x": "held", "y": "held"}
    assert judged(long=5, x=[alike]) == {"x": "held"}
    assert judged(long=5, x=[one_against], y=[one_against], z=[one_against]) == dict.fromkeys(
        "xyz", "undecided"
    )


def test_an_order_is_one_claim_and_its_weakest_pair_decides() -> None:
    strong, weak, against = [5.0, 5.1, 5.2], [1.0, 2.0, 3.0], [-5.0, -5.1, -5.2]

    assert judged(x=[strong, strong]) == {"x": "held"}
    assert judged(x=[strong, weak]) == {"x": "undecided"}
    assert judged(x=[strong, against]) == {"x": "not held"}


def test_more_claims_in_a_family_need_stronger_differences() -> None:
    # One-sided p of mean 3, deviation 1, n = 3: t = 5.196, p = 0.0176; twice that is above 2.5 %.
    some, none = [2.0, 3.0, 4.0], [-1.0, 0.0, 1.0]

    assert judged(x=[some]) == {"x": "held"}
    assert judged(x=[some], y=[none]) == {"x": "undecided", "y": "undecided"}


def test_a_claim_of_two_seeds_is_undecided_however_large() -> None:
    assert judged(x=[[5.0, 5.0]]) == {"x": "undecided"}
    assert judged(x=[[5.0, 5.0, 5.0]]) == {"x": "held"}


def test_a_claim_that_was_not_run_is_none_of_its_family() -> None:
    assert judged(x=[[2.0, 3.0, 4.0]], y=[[]]) == {"x": "held"}


def test_seeds_that_one_side_lacks_count_for_nothing() -> None:
    measured: dict[str, Mapping[int, float]] = {
        "s/v/x": {1: 2.0, 2: 3.0, 3: 4.0, 4: -900.0},
        "s/v/y": {1: 0.0, 2: 0.0, 3: 0.0},
    }
    contrast = Contrast(measure="m", plus=["s/v/x"], minus=["s/v/y"])

    [result] = verdicts.decide(claim(contrast), lambda runs, measure: measured[runs])

    assert (result.interval.estimate, result.interval.seeds) == (3.0, 3)


def test_sums_of_delays_are_judged_by_their_median() -> None:
    measured = {"s/v/x": {seed: 1.0 if seed else 1e9 for seed in range(8)}}
    contrast = Contrast(measure="energy_j", plus=["s/v/x"])

    [result] = verdicts.decide(claim(contrast), lambda runs, measure: measured[runs])

    assert (result.interval.kind, result.interval.estimate) == ("median", 1.0)
    assert result.differences.by_median


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
    columns = {*WHOLE, *REAL, *COUNTED, *WALL, *LEARNED, "accuracy_in_time"}
    columns |= {f"accuracy_equal_{cost}" for cost in COSTS}
    runs = planned()
    for name, claimed in CLAIMS.items():
        assert claimed.contrasts, name
        if claimed.earlier is not None:
            continue
        for contrast in claimed.contrasts:
            assert contrast.measure in columns, name
            assert set(contrast.plus) | set(contrast.minus) <= runs, name
