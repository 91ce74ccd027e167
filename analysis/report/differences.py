"""Differences of a report: paired comparisons within each value of the other keys.

All rows of a report are one family: Holm's correction counts every combination of values.
"""

from typing import Any, Final

from analysis.comparison import combinations_of, judged_rows, paired_rows
from analysis.errors import TraceError
from analysis.groups import display, policy_name, without_rounding
from analysis.report.downsampling import number
from analysis.report.runs_table import SUMMARY, key_value
from analysis.runs import Runs

_PLACE: Final = "values of the other keys"
_LIMITS: Final = ("low", "high", "simultaneous_low", "simultaneous_high")


def differences(runs: Runs) -> dict[str, Any]:
    """Return the rows of the comparison, its first columns, and notes in words.

    Policies are compared within each combination of values of the other keys. If there is a single
    policy, the values of the first other key are compared.
    """
    nothing: dict[str, Any] = {"keys": [], "rows": [], "notes": []}
    if len(runs) < 2:
        return nothing
    others = [str(key) for key in runs.keys.columns if key not in {"policy", "seed"}]
    policies = list(runs.groups("policy"))
    if len(policies) < 2 and not others:
        return nothing
    by = "policy" if len(policies) > 1 else others.pop(0)
    paired: list[dict[str, Any]] = []
    notes = []
    for values, members in combinations_of(runs, others).items():
        try:
            found = list(paired_rows(members, by))
        except TraceError as error:
            where = _where(others, values)
            notes.append(f"No paired comparison{where}: {_without_paths(str(error), runs)}.")
            continue
        paired += [{_PLACE: values, **row} for row in found]
    rows = [
        [*map(key_value, row[_PLACE]), _name(row[by], by), *_numbers(row)]
        for row in judged_rows(paired)
    ]
    first = _name(next(iter(runs.groups(by))), by)
    if rows:
        notes.insert(
            0,
            f"Differences from {first}, paired over seeds, with 95 % intervals where the number of "
            "pairs allows one, and the coverage that such an interval reached in a study. The "
            f"p-value (Holm), the verdict and the simultaneous interval count all {len(rows)} rows "
            "as one family. Policies that differ in their mean delay are not compared at equal "
            "cost.",
        )
    keys = [*(display(key.rsplit(".", 1)[-1]) for key in others), display(by.rsplit(".", 1)[-1])]
    return {"keys": keys, "rows": rows, "notes": notes}


def _numbers(row: dict[Any, Any]) -> list[str | float | None]:
    known = SUMMARY.get(row["metric"])
    label, factor = display(row["metric"]), 1.0
    if known is not None:
        label = f"{known.label} ({known.unit})" if known.unit else known.label
        factor = known.factor
    scale = max(abs(row["baseline"]), abs(row["value"]), 0.0)
    cleaned = [
        number(factor * float(without_rounding(row[key], scale)))
        for key in ("baseline", "value", "difference", *_LIMITS)
    ]
    *estimates, low, high = cleaned
    coverage, p = (number(round(float(row[key]), 4)) for key in ("coverage", "p"))
    return [label, *estimates, int(row["pairs"]), coverage, p, row["verdict"], low, high]


def _where(keys: list[str], values: tuple[Any, ...]) -> str:
    pairs = [
        f"{key.rsplit('.', 1)[-1]} = {display(value)}"
        for key, value in zip(keys, values, strict=True)
    ]
    return f" for {', '.join(pairs)}" if pairs else ""


def _name(value: Any, by: str) -> str:
    return policy_name(value) if by == "policy" else display(value)


def _without_paths(text: str, runs: Runs) -> str:
    """Return a text with the last part of each run directory in place of its path."""
    for run in sorted(runs, key=lambda run: -len(run.name)):
        text = text.replace(run.name, run.short_name)
    return display(text, 400)
