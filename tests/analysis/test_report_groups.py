"""Report of a sweep in a browser: the table of runs, the groups, and what they hide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from support.browser import Watched
from support.written_runs import SCENARIO, four_rounds

import analysis
from analysis.report import page
from analysis.report.data import report_data


def scenario(policy: str, seed: int, count: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "devices": {**SCENARIO["devices"], "count": count},
        "scheduler": {**SCENARIO["scheduler"], "kind": policy},
    }


def written(folder: Path, more: Callable[[int], float]) -> analysis.Runs:
    """Write two policies with 3 and 5 devices and three seeds; ``more`` is what GS adds."""
    for policy in ("exact", "greedy"):
        for count in (3, 5):
            for seed in (1, 2, 3):
                energy_j = count + seed + (more(seed) if policy == "greedy" else 0.0)
                four_rounds(
                    folder / f"{policy}-{count}-{seed}",
                    scenario(policy, seed, count),
                    air_time_s=[1.0, 4.0, 6.0, 6.0],
                    energy_j=[energy_j, 2.0, 3.0, 4.0],
                    virtual_queue_s=[0.0, 1.0, 1.0, 1e-13],
                    arrived=[1, 2 if seed < 3 else 1, 1, 0],
                )
    return analysis.load_many(folder)


@pytest.fixture
def runs(tmp_path: Path) -> analysis.Runs:
    """Four groups of three runs; GS takes 1 J more in each."""
    return written(tmp_path / "runs", lambda seed: 1.0)


@pytest.fixture
def report(runs: analysis.Runs, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page(runs), encoding="utf-8")
    return path


def column(opened: Watched, heading: str) -> list[str]:
    """Return the shown cells of one column of the table of runs."""
    place = opened.texts("#table th").index(heading) + 1
    return opened.texts(f"#table tbody td:nth-child({place})")


def lines(opened: Watched, plot: str) -> list[str]:
    """Return the names of the curves of a plot, without their bands."""
    shown = opened.drawn(plot, "trace.line.width && trace.name")
    return [name for name in shown if name]


def test_a_heading_sorts_the_runs_both_ways(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")
    heading = opened.page.locator("#table th button", has_text="energy (J)")

    heading.click()
    rising = [float(cell) for cell in column(opened, "energy (J)")]
    assert rising == sorted(rising)
    assert len(rising) == 12
    assert opened.page.locator("th[aria-sort=ascending]").inner_text().startswith("energy")
    heading.click()
    assert [float(cell) for cell in column(opened, "energy (J)")] == rising[::-1]
    assert opened.messages == []


def test_the_filter_hides_runs_and_their_groups(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")
    assert len(lines(opened, "group-energy")) == 4

    opened.page.fill("#filter", "GREEDY count 5")

    assert opened.page.locator("#count").inner_text() == "3 of 12 runs"
    assert column(opened, "policy") == ["greedy"] * 3
    assert lines(opened, "group-energy") == ["GS, count = 5"]
    assert opened.page.locator("#legend li:visible").all_inner_texts() == [
        "GS, count = 5 (3 seeds, coverage 93.7 %)"
    ]
    opened.page.fill("#filter", "no such run")
    assert opened.page.locator("#count").inner_text() == "0 of 12 runs"
    assert lines(opened, "group-energy") == []
    assert opened.messages == []


def test_groups_show_medians_and_bands(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")
    opened.page.fill("#filter", "greedy count=5")

    # Three seeds are too few for an interval of the median.
    [center] = opened.drawn("group-arrived", "trace.y")
    assert center == [100.0, 100.0, 100.0]
    opened.page.select_option("#band", "range")
    lower, upper, center = opened.drawn("group-arrived", "[trace.y, trace.fill]")
    assert upper[1] == "tonexty"
    assert (lower[0][1], upper[0][1], center[0][1]) == (50, 100, 100)


def test_every_curve_follows_the_chosen_clock(browser: Browser, runs: analysis.Runs) -> None:
    path = Path(runs[0].name).parent.parent / "air.html"
    path.write_text(page(runs, "air"), encoding="utf-8")
    opened = Watched(browser, path, (1280, 900), scheme="light")

    for plot in ("accuracy", "loss", "group-scheduled", "group-energy", "scheduled", "queue"):
        title = opened.page.evaluate(f"document.getElementById('{plot}').layout.xaxis.title.text")
        assert title == "time on air (s)", plot
    assert max(opened.drawn("scheduled", "trace.x")[0]) == 6  # 1 + 3 + 2 + 0 s, not 8 s
    assert opened.messages == []


def test_the_panel_loss_has_a_curve_where_runs_have_it(
    browser: Browser, runs: analysis.Runs, tmp_path: Path
) -> None:
    for seed, loss in ((1, 0.9), (2, 0.7)):
        path = tmp_path / "panel" / str(seed)
        four_rounds(path, scenario("exact", seed, 3), panel_loss=[None, loss, None, loss / 2])
    path = tmp_path / "panel.html"
    path.write_text(page(analysis.load_many(tmp_path / "panel")), encoding="utf-8")

    opened = Watched(browser, path, (1280, 900), scheme="light")

    assert opened.drawn("panel-loss", "trace.x")[-1] == [2, 4]
    assert opened.drawn("panel-loss", "trace.y")[-1] == pytest.approx([0.8, 0.4])
    assert opened.messages == []
    without = tmp_path / "without.html"
    without.write_text(page(runs), encoding="utf-8")
    assert (
        Watched(browser, without, (1280, 900), scheme="light")
        .page.locator("#panel-loss")
        .is_hidden()
    )


def test_a_click_on_a_run_shows_its_details(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")

    opened.page.get_by_label("show policy greedy, seed 3, count 5").click()

    assert 'kind = "greedy"' in opened.texts("#scenario")[0]
    assert "seed = 3" in opened.texts("#scenario")[0]
    assert opened.page.locator("tr[aria-selected=true]").count() == 1
    assert opened.drawn("energy", "trace.y") == [[6, 2, 0]]
    assert opened.drawn("scheduled", "trace.name")[-1] == "arrived"


def test_every_column_can_be_reached_on_a_phone(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (390, 844), scheme="light")

    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    for table in ("table", "comparison"):
        unreachable = opened.page.evaluate(
            """(name) => {
              const table = document.getElementById(name), box = table.parentElement;
              const cells = [...table.rows[1].cells], out = [];
              const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
              if (!scrolls) return ["no reader can scroll this"];
              for (const cell of cells) {
                box.scrollLeft = cell.offsetLeft + cell.offsetWidth - box.clientWidth;
                const end = cell.getBoundingClientRect(), frame = box.getBoundingClientRect();
                box.scrollIntoView({ block: "center" });
                const at = cell.getBoundingClientRect();
                const front = document.elementFromPoint(at.right - 6, at.top + at.height / 2);
                if (end.right > frame.right + 1 || !cell.contains(front)) out.push(cell.cellIndex);
              }
              return out;
            }""",
            table,
        )
        assert unreachable == [], table
    assert opened.messages == []


def test_policies_are_compared_within_each_value(runs: analysis.Runs) -> None:
    shown = report_data(runs)["comparison"]

    energy = [row for row in shown["rows"] if row[2] == "energy (J)"]
    assert shown["keys"] == ["count", "policy"]
    assert [row[:2] for row in energy] == [[3, "GS"], [5, "GS"]]
    assert [row[5] for row in energy] == [1, 1]
    accuracy = [row[2:6] for row in shown["rows"] if row[2] == "last test accuracy (%)"]
    assert accuracy == [["last test accuracy (%)", 80, 80, 0]] * 2


def test_numbers_below_a_billionth_of_their_scale_are_0(runs: analysis.Runs) -> None:
    shown = report_data(runs)

    assert shown["runs"][0]["series"]["queue"]["mean"] == [0, 1, 1, 0]
    curve = shown["groups"]["groups"][0]["curves"]["queue"]["round"]
    assert curve["center"] == [0, 1, 1, 0]
    place = [entry["label"] for entry in shown["table"]["columns"]].index("Q(T) / (T budget)")
    assert {row[place] for row in shown["table"]["rows"]} == {0}


def test_all_rows_of_a_comparison_are_one_family(tmp_path: Path) -> None:
    runs = written(tmp_path, float)

    columns = list(zip(*report_data(runs)["comparison"]["rows"], strict=True))

    # Differences of 1, 2 and 3 J: t(2) = 2 sqrt(3), one-sided p = 0.03709; two sides, all rows.
    table = analysis.compare(runs, within=["devices.count"])
    alone = analysis.compare(analysis.Runs(run for run in runs if run.device_count == 3))
    energy = [place for place, name in enumerate(columns[2]) if name == "energy (J)"]
    assert [columns[10][place] for place in energy] == [1.0, 1.0]
    assert alone.set_index("metric").p["energy_j"] == pytest.approx(
        len(alone) * 2 * 0.03709, rel=1e-3
    )
    assert list(columns[10]) == pytest.approx(list(table.p), abs=1e-4)
    assert list(columns[11]) == list(table.verdict)
    assert list(columns[9]) == [None if np.isnan(entry) else entry for entry in table.coverage]
