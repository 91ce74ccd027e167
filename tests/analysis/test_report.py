"""Report: its data, and its page in a browser, opened from disk and offline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from support.browser import Watched
from support.written_runs import SCENARIO, four_rounds, write_run

import analysis
from analysis.report import page
from analysis.report.data import report_data
from analysis.report.downsampling import block_stats, evenly_spaced, numbers


def scenario(policy: str, seed: int) -> dict[str, Any]:
    return {"seed": seed, "scheduler": {**SCENARIO["scheduler"], "kind": policy}}


@pytest.fixture
def runs(tmp_path: Path) -> analysis.Runs:
    for policy in ("exact", "greedy"):
        for seed in (1, 2):
            energy = {"energy_j": [1.0 * seed, 2.0, 3.0, 4.0]} if policy == "greedy" else {}
            four_rounds(tmp_path / "runs" / f"{policy}-{seed}", scenario(policy, seed), **energy)
    return analysis.load_many(tmp_path / "runs")


@pytest.fixture
def report(runs: analysis.Runs, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page(runs), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_error_request_or_overflow(
    browser: Browser, report: Path, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    opened = Watched(browser, report, (width, height), scheme=scheme)
    page = opened.page

    assert opened.messages == []
    assert opened.requests == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for plot in ("accuracy", "loss", "scheduled", "queue", "map", "timeline"):
        box = page.locator(f"#{plot} .main-svg").first.bounding_box()
        assert box, plot
        assert box["width"] > 0.4 * width, plot
        assert box["height"] > 200, plot
    assert (
        page.evaluate(
            "Math.min(...[...document.querySelectorAll('p, li, dt, dd, td, label')].map("
            "(e) => parseFloat(getComputedStyle(e).fontSize)))"
        )
        >= 12
    )
    for front in ("--text", "--soft", "--accent", "--warn"):
        assert opened.ratio(front, "--back") >= 4.5, front
    assert (opened.page.evaluate("color('--back')") == "#ffffff") == (scheme == "light")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 30_000


def test_the_slider_goes_through_the_rounds(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")
    page = opened.page

    assert page.locator("#which").inner_text() == "round 1: 1 devices"
    assert opened.drawn("timeline", "trace.y") == [[0]]
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#which").inner_text() == "round 2: 2 devices"
    assert opened.drawn("timeline", "[trace.name, trace.y, trace.base, trace.x]") == [
        ["payload", [0, 1], [0, 0], [1, 3]]
    ]
    assert opened.drawn("timeline", "trace.marker.opacity") == [
        [1, 0.4]
    ]  # the second transfer was lost
    page.keyboard.press("End")
    assert page.locator("#which").inner_text() == "round 4: no device scheduled"
    assert opened.drawn("timeline", "trace.y") == []
    assert opened.messages == []


def test_the_selectors_change_what_is_shown(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")
    page = opened.page
    energy = "dt:text-is('energy') + dd"

    assert page.locator(energy).inner_text() == "8 J"
    page.select_option("#run", label="policy greedy, seed 2")
    assert page.locator(energy).inner_text() == "11 J"
    assert "seed = 2" in str(page.locator("#scenario").text_content())
    assert opened.drawn("scheduled", "trace.x") == [[1, 2, 3, 4]]
    page.select_option("#axis", "time")
    assert opened.drawn("scheduled", "trace.x") == [[1, 4, 6, 8]]
    page.select_option("#theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert opened.messages == []


def test_curves_are_the_tables(browser: Browser, report: Path) -> None:
    opened = Watched(browser, report, (1280, 900), scheme="light")

    assert opened.drawn("accuracy", "trace.y")[-1] == [50, 70, 80]
    assert opened.drawn("queue", "trace.y") == [[0, 1, 1, 0]]
    assert opened.drawn("map", "trace.marker && trace.marker.color")[-2] == [75, 25, 0]
    assert opened.page.locator("#comparison tr").count() == 12  # a heading and the metrics
    row = (
        opened.page.locator("#comparison tr", has_text="energy (J)").locator("td").all_inner_texts()
    )
    assert row[:5] == ["GS", "energy (J)", "8", "10.5", "2.5"]


def test_a_name_cannot_inject_markup(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script>"
    four_rounds(tmp_path / "run", {"learner": {"data": {"name": nasty}}})

    text = page(analysis.load_many(tmp_path))

    assert nasty not in text


def test_a_run_without_scheduled_devices_opens(browser: Browser, tmp_path: Path) -> None:
    rounds = {"round": [1, 2], "end_s": [1.0, 2.0], "delay_budget_s": [1.0, 1.0]}
    run = write_run(tmp_path / "run", {"rounds": rounds})
    path = tmp_path / "report.html"
    path.write_text(page(analysis.load_many(run)), encoding="utf-8")

    opened = Watched(browser, path, (1280, 900), scheme="light")

    assert opened.page.locator("#which").inner_text() == "round 1: no device scheduled"
    assert opened.page.locator("#no-learning").is_visible()
    assert opened.messages == []


def long_run(folder: Path, rounds: int = 5000, devices: int = 20) -> Path:
    """Write a run as large as the paper's: about 8 devices per round, three legs each."""
    rng = np.random.Generator(np.random.Philox(8))
    every_round = np.arange(1, rounds + 1)
    chosen = rng.random((rounds, devices)) < 0.4
    index, scheduled = np.nonzero(chosen)
    start_s = index * 60.0
    legs = ("embedding", "feature", "gradient")
    tables = {
        "rounds": {
            "round": every_round,
            "start_s": (every_round - 1) * 60.0,
            "end_s": every_round * 60.0,
            "scheduled": chosen.sum(axis=1),
            "arrived": chosen.sum(axis=1),
            "delay_s": rng.exponential(50.0, rounds),
            "delay_budget_s": np.full(rounds, 50.0),
            "virtual_queue_s": rng.exponential(50.0, rounds),
            "train_loss": rng.exponential(1.0, rounds),
        },
        "devices": {
            "round": np.repeat(every_round, devices),
            "device": np.tile(np.arange(devices), rounds),
            "scheduled": chosen.ravel(),
            "x_m": rng.normal(size=rounds * devices).cumsum(),
            "y_m": rng.normal(size=rounds * devices).cumsum(),
        },
        "transfers": {
            "round": np.repeat(index + 1, 3),
            "device": np.repeat(scheduled, 3),
            "leg": list(legs) * len(index),
            "direction": ["uplink"] * (3 * len(index)),
            "start_s": np.repeat(start_s, 3)
            + np.tile([0.0, 20.0, 40.0], len(index))
            + rng.random(3 * len(index)),
            "end_s": np.repeat(start_s, 3)
            + np.tile([18.0, 38.0, 58.0], len(index))
            + rng.random(3 * len(index)),
            "bits": np.full(3 * len(index), 17_301_504),
            "status": ["delivered"] * (3 * len(index)),
        },
        "evaluations": {
            "round": np.arange(0, rounds + 1, 50),
            "time_s": np.arange(0, rounds + 1, 50) * 60.0,
            "loss": rng.random(rounds // 50 + 1),
            "accuracy": rng.random(rounds // 50 + 1),
        },
    }
    changes = {"rounds": rounds, "devices": {**SCENARIO["devices"], "count": devices}}
    return write_run(folder, tables, changes)


def test_a_long_run_fits_and_lists_its_downsampling(tmp_path: Path) -> None:
    runs = analysis.load_many(long_run(tmp_path / "run"))

    assert len(page(runs).encode()) < 6e6
    shown = report_data(runs)["runs"][0]
    assert len(shown["round"]) == 500
    assert shown["round"][-1] == 5000
    assert (
        shown["thinned"][0]
        == "Curves: a point is the mean of 10 rounds, the band their minimum to maximum."
    )
    assert "Tracks: 500 positions per device" in shown["thinned"][1]
    count = len(shown["timeline"])
    assert (
        shown["thinned"][2]
        == f"Timeline: {count} of 5,000 rounds, evenly over the run, each with all its legs."
    )
    wanted = runs[0].rounds.scheduled.to_numpy()[:10]
    band = shown["series"]["scheduled"]
    assert [band[key][0] for key in ("mean", "low", "high")] == [
        wanted.mean(),
        wanted.min(),
        wanted.max(),
    ]


def test_many_long_runs_fit_too(tmp_path: Path) -> None:
    first = long_run(tmp_path / "run-0", rounds=1000)
    runs = analysis.load_many([first] * 20)

    assert len(page(runs).encode()) < 6e6


def test_blocks_keep_the_extremes() -> None:
    result = block_stats(np.array([1.0, 5.0, 3.0, np.nan, np.nan, np.nan, 7.0]), 3)

    assert result == {"mean": [3, None, 7], "low": [1, None, 7], "high": [5, None, 7]}


def test_places_are_evenly_spread_with_both_ends() -> None:
    assert evenly_spaced(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(3, 4).tolist() == [0, 1, 2]
    assert numbers([1.23456789, float("nan"), float("inf"), 2.0]) == [1.23457, None, None, 2]
