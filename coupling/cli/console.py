"""Console output of a run: the progress bar, and the summary table at the end."""

import os
from types import TracebackType
from typing import Any, Final, cast, final

from rich import progress
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from coupling.run_directory.writer import Tables
from coupling.scenario.ending import Ending
from coupling.scenario.errors import shown
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

MAXIMUM_WIDTH: Final = 1000
"""Number of columns of a table that is written to a file or a pipe."""


def plain_console(*, stderr: bool = False) -> Console:
    """Return a console that prints every text as it is: names may look like markup or emoji."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def table_console() -> Console:
    """Return a console for tables: where stdout is no terminal, no cell is cut off."""
    console = plain_console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = MAXIMUM_WIDTH
    return console


@final
class ProgressBar(RunObserver):
    """Progress bar of a run on stderr: round, devices, simulated time, loss, accuracy."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._bar = progress.Progress(
            progress.TextColumn("round {task.fields[rounds]}"),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[status]}"),
            progress.TimeRemainingColumn(),
            console=plain_console(stderr=True),
            transient=False,
        )
        self._started = False
        self._accuracy: float | None = None
        self._task = self._bar.add_task("", total=1.0, rounds=self._rounds(0), status="starting")

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._started:
            self._bar.stop()

    @override
    def on_start(self, tables: Tables) -> None:
        for _, row in tables.get("evaluations", ()):
            self._accuracy = cast(float, row["accuracy"])

    @override
    def on_round(self, record: RoundRecord) -> None:
        """Show a round; the bar appears with the first round, not before an error."""
        if not self._started:
            self._bar.start()
            self._started = True
        if record.evaluation is not None:
            self._accuracy = record.evaluation["accuracy"]
        status = f"N {len(record.scheduled):<3d} simulated {record.time_s:,.0f} s"
        if record.train_loss is not None:
            status += f"  loss {record.train_loss:.3f}"
        if self._accuracy is not None:
            status += f"  accuracy {self._accuracy:.1%}"
        done = self._ending.progress(record.round, record.time_s)
        rounds = self._rounds(record.round)
        self._bar.update(self._task, completed=done, rounds=rounds, status=status)

    def _rounds(self, number: int) -> str:
        """Return the number of a round and of all rounds; the bar may be nearer to its end."""
        return f"{number:>{len(str(self._ending.rounds))}}/{self._ending.rounds}"


def summary_table(summary: dict[str, Any]) -> Table:
    """Return the summary table of a run."""
    rows = [
        ("rounds", f"{summary['rounds']:,}"),
        (
            "devices scheduled",
            f"mean {summary['scheduled_mean']:.2f}, median {summary['scheduled_median']:g}",
        ),
        ("devices arrived", _arrived_text(summary)),
        (
            "delay per round",
            f"{_mean_text(summary['delay_mean_s'])}, median {summary['delay_median_s']:.4g} s, "
            f"budget {summary['delay_budget_s']:.4g} s",
        ),
        (
            "final virtual queue",
            f"{summary['virtual_queue_s']:.4g} s, "
            f"Q(T) / (T budget) = {summary['virtual_queue_per_budget']:.4f}",
        ),
        ("energy", f"{summary['energy_j']:.4g} J"),
    ]
    if idle := summary["rounds_without_devices"]:
        mean_s = summary["time_without_devices_s"] / idle
        share = idle / summary["rounds"]
        text = f"{idle:,} ({share:.1%}), {mean_s:.4g} s each, delay 0 in the mean"
        rows.insert(3, ("rounds without devices", text))
    if summary["accuracy_last"] is not None:
        first, last = summary["accuracy_first"], summary["accuracy_last"]
        rows.append(("test accuracy", f"first {first:.1%}, last {last:.1%}"))
    rows += [
        ("simulated time", f"{summary['simulated_s']:,.1f} s"),
        ("time on air", f"{summary['air_time_s']:,.1f} s"),
        ("wall time", f"{summary['wall_s']:.1f} s"),
        ("run directory", summary["run"]),
    ]
    table = Table(show_header=False)
    for row in rows:
        table.add_row(*map(shown, row))
    return table


def _arrived_text(summary: dict[str, Any]) -> str:
    share = summary["arrived_share"]
    mean = f"mean {summary['arrived_mean']:.2f}"
    return mean if share is None else f"{mean}, {share:.1%} of the scheduled"


def _mean_text(mean_s: float | None) -> str:
    """Return the mean delay as text; with a heavy tail it does not exist."""
    return "no finite mean" if mean_s is None else f"mean {mean_s:.4g} s"
