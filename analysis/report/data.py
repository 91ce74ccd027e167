"""Report data: plain numbers and texts of the runs for the page."""

from typing import Any, Final

from analysis.groups import Clock, Group, data_name, display, groups
from analysis.report.differences import differences
from analysis.report.downsampling import SizeBudget
from analysis.report.group_curves import group_curves
from analysis.report.run_details import run_details
from analysis.report.runs_table import runs_table
from analysis.run import Run
from analysis.runs import Runs, scenario_value

_SHOWN: Final = 3
"""Number of different values of a fact that are shown."""


def report_data(runs: Runs, clock: Clock = "simulated") -> dict[str, Any]:
    """Return the data of the page: facts, table of the runs, groups, comparison, and each run."""
    members = groups(runs)
    runs = Runs(run for group in members for run in group.runs)
    names = _names(runs)
    size = SizeBudget.per_run(len(runs))
    return {
        "clock": clock,
        "facts": _facts(runs, members),
        "table": runs_table(runs),
        "groups": group_curves(members, runs),
        "comparison": differences(runs),
        "runs": [run_details(run, name, size) for run, name in zip(runs, names, strict=True)],
    }


def _facts(runs: Runs, members: list[Group]) -> list[list[str]]:
    """Return scenario, model, data, date and commit of the runs, each with its label."""
    learning = [run for run in runs if run.provenance.get("learning") is not False]
    facts = [
        ("scenario", [_text(run.provenance.get("scenario")) for run in runs]),
        ("model", [_text(scenario_value(run, "learner.model")) for run in learning]),
        ("data", [data_name(run) for run in learning]),
        ("started", [_date(run) for run in runs]),
        ("commit", [_commit(run) for run in runs]),
    ]
    count = f"{len(runs)} in {len(members)} groups" if len(members) > 1 else str(len(runs))
    shown = [[label, _several(values)] for label, values in facts]
    return [[label, text] for label, text in shown if text] + [["runs", count]]


def _several(values: list[str | None]) -> str:
    different = [text for text in dict.fromkeys(values) if text]
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(different[:_SHOWN]) + more


def _text(value: Any) -> str | None:
    return None if value is None else display(value)


def _date(run: Run) -> str | None:
    started = run.provenance.get("started")
    return display(started)[:10] if isinstance(started, str) else None


def _commit(run: Run) -> str | None:
    commit = run.provenance.get("commit")
    if not isinstance(commit, str):
        return None
    return display(commit[:7]) + (" (changed)" if run.provenance.get("dirty") is True else "")


def _names(runs: Runs) -> list[str]:
    """Return the name of each run: its keys, and its directory if the keys are not unique."""
    names = [
        ", ".join(f"{str(key).rsplit('.', 1)[-1]} {display(entry)}" for key, entry in row.items())
        for row in runs.keys.to_dict("records")
    ]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({display(run.short_name)})" for name, run in zip(names, runs, strict=True)]
