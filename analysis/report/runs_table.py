"""Table of the runs of a report: one row per run, with its keys and its numbers."""

from dataclasses import dataclass
from typing import Any, Final, final

from analysis.groups import display, without_rounding
from analysis.metrics import summary
from analysis.report.downsampling import number
from analysis.run import Run
from analysis.runs import Runs


@final
@dataclass(frozen=True)
class SummaryNumber:
    """Number of the summary in a report: its label and its unit."""

    label: str
    unit: str = ""
    factor: float = 1.0


SUMMARY: Final = {
    "rounds": SummaryNumber("rounds"),
    "scheduled_mean": SummaryNumber("devices scheduled, mean"),
    "arrived_mean": SummaryNumber("devices arrived, mean"),
    "arrived_share": SummaryNumber("arrived, of the scheduled", "%", 100.0),
    "rounds_without_devices": SummaryNumber("rounds without devices"),
    "time_without_devices_s": SummaryNumber("time without devices", "s"),
    "delay_mean_s": SummaryNumber("round delay, mean", "s"),
    "delay_median_s": SummaryNumber("round delay, median", "s"),
    "delay_budget_s": SummaryNumber("delay budget", "s"),
    "virtual_queue_per_budget": SummaryNumber("Q(T) / (T budget)"),
    "jain_fairness": SummaryNumber("Jain fairness"),
    "energy_j": SummaryNumber("energy", "J"),
    "accuracy_first": SummaryNumber("first test accuracy", "%", 100.0),
    "accuracy_last": SummaryNumber("last test accuracy", "%", 100.0),
    "simulated_s": SummaryNumber("simulated time", "s"),
    "air_time_s": SummaryNumber("time on air", "s"),
    "wall_s": SummaryNumber("wall time", "s"),
}
"""Numbers of a run in a report, in their order."""


def run_numbers(run: Run) -> dict[str, float | None]:
    """Return the numbers of a run by the names of ``SUMMARY``; None if it has no such number."""
    values = summary(run)
    ratio = values["virtual_queue_per_budget"]
    values["virtual_queue_per_budget"] = float(without_rounding(ratio, 1.0))
    return {
        key: None if values.get(key) is None else float(values[key]) * column.factor
        for key, column in SUMMARY.items()
    }


def runs_table(runs: Runs) -> dict[str, Any]:
    """Return the columns of the table, its rows, and a note on numbers that are left out."""
    numbers = [run_numbers(run) for run in runs]
    columns = [{"label": _key_label(str(key)), "unit": ""} for key in runs.keys.columns]
    shown = [key for key in SUMMARY if any(row[key] is not None for row in numbers)]
    columns += [{"label": SUMMARY[key].label, "unit": SUMMARY[key].unit} for key in shown]
    rows = [
        [key_value(entry) for entry in keys] + [number(row[key]) for key in shown]
        for keys, row in zip(runs.keys.itertuples(index=False, name=None), numbers, strict=True)
    ]
    missing = sum(row["delay_mean_s"] is None for row in numbers)
    note = f"The delay of {missing} of the runs has no finite mean; see the median." * (missing > 0)
    return {"columns": columns, "rows": rows, "note": note}


def _key_label(key: str) -> str:
    return display(key.removeprefix("scheduler.").removeprefix("learner."))


def key_value(entry: Any) -> str | float | None:
    """Return a key's value: a number, or a text."""
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        return display(entry)
    # A foreign run may have integers that no float holds.
    if isinstance(entry, int) and abs(entry) > 2**53:
        return display(entry)
    return number(entry)
