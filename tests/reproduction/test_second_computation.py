"""Page of the reproduction against a second computation, with other code, of the stored tables."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from support import second_computation as second

PAGE = (second.ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
STATISTICS = (second.ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
LINES = PAGE.splitlines()
TABLES = second.stored()
CLAIMS = second.claims()
NAMES = {
    "All-in": "all_in",
    "Algorithm 1": "algorithm1",
    "exact P1": "exact",
    "GS": "greedy",
    "AABA": "aaba",
}
HEAVY = {"all_in", "algorithm1", "exact"}
"""Policies that may wait for a device in a deep fade: their delay has no variance."""
DELAYS = {"delay_mean_s", "energy_j", "simulated_s", "virtual_queue_per_budget"}
NUMBER = r"-?(?:\d[\d.]*(?:e[+-]?\d+)?|inf|nan)"
DIFFERENCE = re.compile(
    rf": ({NUMBER})( \*m\*)? \((?:({NUMBER}) to ({NUMBER}); )?(\d+)(?:; ({NUMBER}))?\)(?:; |$)"
)


def cells(line: str) -> list[str]:
    return [entry.strip() for entry in line.strip().strip("|").split(" | ")]


def rounded(text: str, value: float) -> bool:
    """Return whether a printed number is the value, rounded to as many digits."""
    shown = float(text)
    digits = len(re.sub(r"e.*$|[-.]", "", text).lstrip("0")) or 1
    unit = 10.0 ** (np.floor(np.log10(abs(shown))) + 1 - digits) if shown else 1e-12
    return bool(abs(shown - value) <= 0.5001 * unit)


def coverage(kind: str, seeds: int) -> float:
    """Return the coverage in the table of docs/statistics.md; between two rows the lower one."""
    header, *rows = [
        cells(line) for line in STATISTICS.splitlines() if re.match(r"\| (seeds|\d)", line)
    ]
    column = header.index(kind)
    known = {
        int(row[0]): float(row[column].rstrip(" %")) / 100 for row in rows if row[column] != "–"
    }
    return min(
        known[max(count for count in known if count <= seeds)],
        known[min((count for count in known if count >= seeds), default=max(known))],
    )


def check_difference(shown: tuple[str, ...], values: np.ndarray, *, by_sign: bool) -> None:
    """Check a printed difference: estimate, mark, limits, seeds and coverage."""
    estimate, mark, low, high, seeds, covered = shown
    assert bool(mark) is by_sign
    expected = (second.median if by_sign else second.student)(values)
    assert rounded(estimate, expected[0]), (shown, expected)
    assert int(seeds) == len(values)
    if not low:
        assert by_sign
        assert np.isnan(expected[1])
        return
    assert all(map(rounded, (low, high), expected[1:])), (shown, expected)
    if not by_sign:
        assert float(covered) == pytest.approx(coverage("paired", len(values)))


def check_limits(limits: str, low: float, high: float) -> None:
    """Check a printed simultaneous interval; one without any limit is not printed."""
    if np.isinf(low) and np.isinf(high):
        assert limits == ""
        return
    for text, value in zip(limits.split(" to "), (low, high), strict=True):
        assert float(text) == value if np.isinf(value) else rounded(text, value), (limits, value)


FAMILIES = sorted({claim["family"] for claim in CLAIMS.values()})


@pytest.mark.parametrize("name", FAMILIES)
def test_verdicts_of_a_family_agree_with_the_second_computation(name: str) -> None:
    members = {key: claim for key, claim in CLAIMS.items() if claim["family"] == name}
    values = {
        key: [second.difference(TABLES, contrast) for contrast in claim["contrasts"]]
        for key, claim in members.items()
    }
    by_sign = {
        f"{key}/{place}"
        for key, claim in members.items()
        for place, contrast in enumerate(claim["contrasts"])
        if second.any_long(TABLES, contrast)
    }
    expected = second.family(values, by_sign)
    lines = [line for line in LINES if line.startswith(f"| {name} | ") and len(cells(line)) == 7]

    assert len(lines) == len(members)
    for line, (key, claim) in zip(lines, members.items(), strict=True):
        _, says, source, differences, p, limits, verdict = cells(line)
        assert (says, source) == (claim["says"], claim["source"])
        shown = DIFFERENCE.findall(differences)
        assert len(shown) == len(values[key])
        for place, (numbers, entry) in enumerate(zip(shown, values[key], strict=True)):
            check_difference(numbers, entry, by_sign=f"{key}/{place}" in by_sign)
        p_value, low, high, outcome = expected[key]
        assert p_value < 1e-4 if p.startswith("<") else rounded(p, p_value), key
        check_limits(limits, low, high)
        assert verdict.startswith(f"**{outcome}**")
        assert claim.get("earlier", "") in verdict


def group(stage: str, label: str) -> pd.DataFrame:
    """Return the rows of a table with the label ``variant, policy, further values``."""
    table = TABLES[stage]
    for part in label.split(", "):
        if part in NAMES:
            table = table[table[second.POLICY] == NAMES[part]]
        elif part in set(table["variant"]):
            table = table[table["variant"] == part]
        else:
            key = second.BUDGET if second.BUDGET in table else "scheduler.order"
            table = table[table[key].astype(str) == part]
    return table


TEMPLATE = (second.ROOT / "reproduction" / "page.md").read_text(encoding="utf-8")
PRINTED = re.findall(r"^\{\{table (\S+) (.*)\}\}$", TEMPLATE, re.MULTILINE)


@pytest.mark.parametrize(("stage", "columns"), PRINTED)
def test_a_printed_table_agrees_with_the_second_computation(stage: str, columns: str) -> None:
    names = columns.split()
    header = f"| runs | seeds | {' | '.join(names)} |"
    # Some stages have a table with the same columns: the tables stand in the template's order.
    before = [entry[0] for entry in PRINTED if entry[1] == columns].index(stage)
    start = [place for place, line in enumerate(LINES) if line == header][before]
    lines = LINES[start + 2 : LINES.index("", start) - 1]
    assert lines

    for line in lines:
        label, seeds, *texts = cells(line + " ")
        rows = group(stage, label)
        assert len(rows) == int(seeds)
        for name, text in zip(names, texts, strict=True):
            check_cell(name, text, rows, heavy=stage != "protocols")


def check_cell(column: str, text: str, rows: pd.DataFrame, *, heavy: bool) -> None:
    """Check one printed estimate; ``heavy`` delays have no variance, so they need medians."""
    policy = rows[second.POLICY].iloc[0]
    if column == "delay_mean_s" and policy == "all_in":
        assert text == "no mean"
        return
    if not text:
        assert column not in rows or rows[column].isna().all()
        return
    values = rows[column].dropna().to_numpy(float)
    compute = (
        second.median if "*m*" in text else second.geometric if "*g*" in text else second.student
    )
    long = second.LONG in rows and (rows[second.LONG] > 0).sum() >= len(rows) / 2
    if long or (heavy and column in DELAYS and policy in HEAVY):
        assert compute is second.median, (column, text)
    expected = compute(values)
    shown = re.findall(NUMBER, text.replace("*m*", "").replace("*g*", ""))
    assert all(map(rounded, shown, expected)), (column, text, expected)
    if len(shown) == 1:
        # Without limits: equal limits, or too few seeds for an interval of the median.
        assert expected[1] == expected[2] or len(values) < 6, (column, text)


def test_the_ranking_agrees_with_the_second_computation() -> None:
    start = LINES.index(
        next(line for line in LINES if line.startswith("| variant | seeds | scheduled_mean"))
    )
    lines = [cells(line) for line in LINES[start + 2 :]][: LINES[start:].index("") - 2]
    values, by_sign = {}, set()
    for place, (variant, _, order, claim, *_) in enumerate(lines):
        runs = variant.replace(": ", "/")
        policies = [NAMES[name] for name in claim.split(" > ")]
        values[str(place)] = [
            second.difference(
                TABLES,
                {
                    "measure": "scheduled_mean",
                    "plus": [f"{runs}/{more}"],
                    "minus": [f"{runs}/{less}"],
                },
            )
            for more, less in pairwise(policies)
        ]
        by_sign |= {
            f"{place}/{pair}"
            for pair, names in enumerate(pairwise(policies))
            if any(second.is_long(TABLES, f"{runs}/{name}") for name in names)
        }
        for name, mean in re.findall(rf"([A-Z]\w.*?|exact P1) ({NUMBER})(?: > |$)", order):
            assert rounded(
                mean, second.rows_of(TABLES, f"{runs}/{NAMES[name]}").scheduled_mean.mean()
            )
    expected = second.family(values, by_sign)

    assert len(lines) > 20
    assert by_sign, "a variant with long rounds"
    for place, (_, _, _, _, differences, p, limits, verdict) in enumerate(lines):
        p_value, low, high, outcome = expected[str(place)]
        shown = DIFFERENCE.findall(differences)
        for pair, (numbers, entry) in enumerate(zip(shown, values[str(place)], strict=True)):
            check_difference(numbers, entry, by_sign=f"{place}/{pair}" in by_sign)
        assert p_value < 1e-4 if p.startswith("<") else rounded(p, p_value)
        check_limits(limits, low, high)
        assert verdict == f"**{outcome}**"
