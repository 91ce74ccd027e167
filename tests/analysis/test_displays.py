"""Displays of runs and scenarios in notebooks: HTML with the numbers of the tables."""

import re
from html import unescape
from pathlib import Path

from support.command_line import NETWORK

import airtune
from airtune import Scenario
from analysis import Run, Runs
from analysis.display import html_table


def run(tmp_path: Path, seed: int = 1) -> Run:
    """Return a small run in memory."""
    (tmp_path / "net.toml").write_text(NETWORK)
    return airtune.run(Scenario.load(tmp_path / "net.toml", {"seed": seed}))


def cells(html: str) -> list[list[str]]:
    """Return the texts of the cells of each row of an HTML table."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [[unescape(text) for text in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)] for row in rows]


def test_a_run_shows_its_rounds_policy_and_energy(tmp_path: Path) -> None:
    shown = run(tmp_path)

    facts = dict(cells(shown._repr_html_()))
    assert facts["policy"] == "algorithm1"
    assert facts["rounds"] == "3 of 3"
    assert facts["energy"] == f"{shown.rounds.energy_j.sum():.4g} J"
    assert "test accuracy" not in facts


def test_texts_of_a_table_are_escaped() -> None:
    html = html_table([["<b>", 1]], head=["<i>"], caption="<u>")

    assert cells(html) == [["<i>"], ["<b>", "1"]]
    assert not re.search(r"<[biu]>", html)


def test_runs_show_one_row_per_run_with_its_keys(tmp_path: Path) -> None:
    runs = Runs([run(tmp_path, seed) for seed in (1, 2)])

    head, *rows = cells(runs._repr_html_())
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["seed"] for row in table] == ["1", "2"]
    assert [row["simulated time"] for row in table] == [
        f"{entry.rounds.end_s.iloc[-1]:,.1f} s" for entry in runs
    ]
    assert "<caption>2 runs</caption>" in runs._repr_html_()


def test_a_scenario_shows_its_keys_and_escapes_texts(tmp_path: Path) -> None:
    (tmp_path / "a<b>.toml").write_text(NETWORK)
    html = Scenario.load(tmp_path / "a<b>.toml")._repr_html_()

    assert "Scenario a&lt;b&gt;" in html
    assert "<td>policy</td><td>algorithm1</td>" in html
    assert "payload_bit = 51904512" in html
