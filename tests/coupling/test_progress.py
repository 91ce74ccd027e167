"""Progress of a run for those without a terminal: lines, and the bar of a notebook."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.phased_runs import phased

import airtune
import coupling
from airtune import notebook
from coupling import Scenario
from coupling.cli.progress import ProgressLines, Verbosity, run_progress


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Return a network of 100 rounds."""
    return phased(tmp_path, rounds=100)


def rounds_of_lines(scenario: Scenario, step_s: float) -> list[int]:
    """Return the rounds whose lines are printed if the clock advances so much per round."""
    now = [0.0]
    lines = ProgressLines(scenario.ending, clock=lambda: now[0])
    stderr = io.StringIO()

    def advance(_: object) -> None:
        now[0] += step_s

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        coupling.run(scenario, learning=False, on_round=advance, observers=[lines])
    return [int(line.split()[1].partition("/")[0]) for line in stderr.getvalue().splitlines()]


def test_a_quick_run_has_a_line_every_five_per_cent(scenario: Scenario) -> None:
    assert rounds_of_lines(scenario, step_s=0.01) == list(range(5, 101, 5))


def test_a_slow_run_has_a_line_every_thirty_seconds(scenario: Scenario) -> None:
    assert rounds_of_lines(scenario, step_s=15.0) == list(range(2, 101, 2))


def test_a_line_has_round_devices_time_and_what_is_left(
    scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_progress(scenario.ending, Verbosity.VERBOSE) as lines:
        assert isinstance(lines, ProgressLines)
        result = coupling.run(scenario, learning=False, observers=[lines])

    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == scenario.rounds
    assert printed[49].startswith(
        f"round 50/100 (50%), devices {result.rounds.scheduled[49]}, "
        f"simulated {result.rounds.end_s[49]:,.0f} s, wall "
    )


def test_quiet_means_no_observer(scenario: Scenario) -> None:
    with run_progress(scenario.ending, Verbosity.QUIET) as nothing:
        assert nothing is None


def test_a_notebook_shows_one_bar_that_reaches_the_end(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def display(bar: str, *, display_id: bool) -> SimpleNamespace:
        assert display_id
        shown.append(bar)
        return SimpleNamespace(update=shown.append)

    module = SimpleNamespace(HTML=str, display=display)
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", module)  # type: ignore[arg-type]

    assert notebook.in_notebook()
    airtune.run(scenario, learning=False)
    count = len(shown)
    airtune.run(scenario, learning=False, progress=False)

    assert '<progress value="0.0100"' in shown[0]
    assert "round 100/100 (100%)" in shown[-1]
    assert len(shown) == count


def test_a_script_shows_no_bar() -> None:
    assert not notebook.in_notebook()
