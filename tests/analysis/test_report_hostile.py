"""Report of runs whose every string is hostile: all of them are text, and nothing is requested."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.browser import Watched
from support.written_runs import SCENARIO, four_rounds

import analysis
from analysis.report import page
from analysis.report.html import script_json
from analysis.report.runs_table import key_value

MARKUP = (
    "<!--script--><!--made--><!--<script>",
    "</script><script>document.title = 'taken'</script>",
    "<img src=https://evil.example/x onerror=\"document.title = 'taken'\">",
    '<a href="https://evil.example/">link</a>',
    '<a href="javascript:document.title=1">js</a><b>bold</b><br>',
    "&lt;i&gt; &amp; %{x} {{y}} $x^2$ [bold]red[/bold]",
    "\u202eevil\u2028 \x1b[31m ' \" ` \\",
)
"""Texts that end a script element, load or link something, or that a figure would interpret."""


def hostile_run(folder: Path, place: int, text: str) -> Path:
    """Write a run in which each string of scenario, provenance and tables has a text."""
    scenario: dict[str, Any] = {
        "seed": place // 2,
        "scheduler": {**SCENARIO["scheduler"], "kind": f"{text} {place % 2}"},
        "devices": {**SCENARIO["devices"], "placement": {"kind": text, text: text}},
        "learner": {"model": text, "data": {"name": text, "classes": [text]}},
        text: text,
    }
    four_rounds(folder, scenario)
    facts = json.loads((folder / "provenance.json").read_text())
    strings = dict.fromkeys(("scenario", "started", "commit", "state", text), text)
    (folder / "provenance.json").write_text(json.dumps({**facts, **strings}))
    return folder


def rename_legs(folder: Path, text: str) -> None:
    """Put a text in place of each leg, direction and status of a run's transfers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in sorted((folder / "transfers").glob("*.parquet")):
        table = pq.read_table(part)
        for name in ("leg", "direction", "status"):
            place = table.schema.get_field_index(name)
            column = pa.array([text] * len(table), type=table.schema.field(name).type)
            table = table.set_column(place, table.schema.field(name), column)
        pq.write_table(table, part)


def hostile_report(folder: Path, text: str) -> Path:
    for place in range(4):
        name = f"run-{place} {text}".replace("/", "_").replace("\x1b", "")[:120]
        rename_legs(hostile_run(folder / "runs" / name, place, text), text)
    path = folder / "report.html"
    path.write_text(page(analysis.load_many(folder / "runs")), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", MARKUP)
def test_every_hostile_string_is_shown_as_text(browser: Browser, tmp_path: Path, text: str) -> None:
    path = hostile_report(tmp_path, text)
    opened = Watched(browser, path, (1280, 900), scheme="light")
    shown = text.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\u2028", "\\u2028")

    assert opened.messages == []
    assert opened.requests == [path.as_uri()]
    assert opened.page.title() == "airtune report"
    assert opened.page.locator("a[href], a[*|href], img, iframe, object, embed").count() == 0
    assert opened.page.locator("script").count() == 3
    # Names of groups are cut after 60 characters.
    for selector in ("#facts dd", "#table td", "#legend li", "#run option", "#comparison td"):
        assert any(shown[:55] in entry for entry in opened.texts(selector)), selector
    assert shown[:30] in "".join(opened.texts("#timeline .legendtext"))


def test_marks_within_the_data_do_not_change_the_page(tmp_path: Path) -> None:
    text = "<!--script--><!--made--><!--plotly--><!--data-->"
    four_rounds(tmp_path / "run", {"learner": {"data": {"name": text}}})

    document = page(analysis.load_many(tmp_path))

    assert "<!--" not in document.split('id="data">')[1].split("</script>")[0]
    assert document.count('id="data"') == 1


def test_json_of_a_script_element_has_no_markup() -> None:
    written = script_json({"</script>": "<!-- & -->"})

    assert not set("<>&") & set(written)
    assert json.loads(written) == {"</script>": "<!-- & -->"}


def test_home_directories_are_not_in_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    four_rounds(
        tmp_path / "ada" / "runs" / "one",
        {
            "learner": {
                "model": "/home/bob/bert",
                "data": {"path": f"{tmp_path}/ada/secret/a.csv"},
            },
            "channel": {"gains": "/srv/lab/cell/gains.csv"},
        },
    )

    document = page(analysis.load_many(tmp_path / "ada" / "runs"))

    for private in (str(tmp_path), "/home/bob", "/srv/lab"):
        assert private not in document
    assert "~/secret/a.csv" in document
    assert "~/bert" in document


@pytest.mark.parametrize("value", [10**400, -(10**30), 2**53 + 1])
def test_an_integer_that_no_float_holds_is_shown_as_text(value: int) -> None:
    shown = key_value(value)

    assert isinstance(shown, str)
    assert str(value)[:10] in shown
