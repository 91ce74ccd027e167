"""Commands for many runs: ``sweep``, ``ls`` and ``record``."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, final

import typer
from rich import progress
from rich.table import Column, Table

from coupling.cli.console import plain_console, table_console
from coupling.cli.options import Rounds, Settings, parse_overrides, print_line
from coupling.files.urls import masked
from coupling.run_directory import status
from coupling.run_directory.layout import SWEEP_TABLE, WORLD
from coupling.scenario.errors import Interrupted, ScenarioError, os_error_text, shown
from coupling.simulation.export_world import record
from coupling.simulation.stop_signals import stop_requests
from coupling.sweeps import grid
from coupling.sweeps.compare import parse_seeds
from coupling.sweeps.engines import Engine, LocalEngine, TaskResult
from coupling.sweeps.engines.local import cores
from coupling.sweeps.sweep import Sweep, claim, place_of, write_table

_SHOWN_ROWS: Final = 40
_SHOWN_KEYS: Final = 6
_SHOWN_NUMBERS: Final = ("scheduled_mean", "delay_mean_s", "delay_median_s", "accuracy_last")


class EngineName(StrEnum):
    """Names of the engines of ``airtune sweep``."""

    LOCAL = "local"
    RAY = "ray"


def sweep(
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO", help="A scenario file or a bundled scenario.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Values of one key; all combinations are run."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="FIRST:END", help="Seeds, END excluded, or a list.")
    ] = None,
    settings: Settings = None,
    rounds: Rounds = None,
    out: Annotated[
        str | None, typer.Option(help="Directory or URL of the sweep (default: sweeps/NAME).")
    ] = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network without the learner.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Run failed runs again.")] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Engine that executes the runs.")
    ] = EngineName.LOCAL,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of parallel runs (default: number of cores)."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster (default: a new one on this machine).")
    ] = None,
    gpus_per_run: Annotated[
        float, typer.Option(min=0.0, help="Share of a GPU per run (Ray).")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Run every combination of values and seeds, skip finished runs, and write one table."""
    place = place_of(scenario, out)
    runs = grid.plan(
        scenario,
        place,
        grid.parse_vary(vary or []),
        seeds=None if seeds is None else parse_seeds(seeds),
        settings=parse_overrides(settings, rounds=rounds),
        learning=not no_learning,
    )
    executor = _engine(engine, jobs, address, gpus_per_run=gpus_per_run)
    claim(place)
    unfinished = Sweep(runs, retry=retry)
    rows = _execute(unfinished, executor, place)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print_rows(rows, list(runs[0].keys), masked(f"{place}/{SWEEP_TABLE}"))
    for path, count in unfinished.input_changes().items():
        _warn(
            f"{shown(path)}: has changed since {count} of the finished runs; their numbers are of "
            "the former content"
        )
    for run in unfinished.results:
        if run.state in ("failed", "held"):
            path = masked(run.planned.task.path)
            line = str(run.error)
            # Most errors begin with the run directory.
            text = line if line.startswith(path) else f"{path}: {line}"
            print_line(text)
    unfinished.raise_if_unfinished()


def _warn(line: str) -> None:
    """Print a warning on stderr."""
    print_line(f"warning: {line}")


def _execute(unfinished: Sweep, engine: Engine, place: str) -> list[dict[str, Any]]:
    """Execute the unfinished runs of a sweep, and return the rows of its table."""
    with SweepProgress(unfinished) as bar, stop_requests() as stop:
        try:
            unfinished.run(engine, stop, bar.show)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted at once; run the same command again to continue every run from its "
                "last checkpoint"
            ) from None
        return write_table(unfinished.results, place, run_summary)


def list_runs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A directory that contains run directories.")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """List the run directories below a directory, with their states."""
    try:
        rows = status.rows(folder)
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be read: {os_error_text(error)}") from None
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    keys = list(dict.fromkeys(key for row in rows for key in row["keys"]))[:_SHOWN_KEYS]
    progress_columns = ("round", "accuracy", "simulated", "wall time")
    table = Table(_run_column(), "state", "scenario", "seed", *map(shown, keys), *progress_columns)
    for row in rows:
        state = row["state"] if row["error"] is None else f"{row['state']}: {row['error']}"
        table.add_row(
            *map(_text, (row["run"], state, row["scenario"], row["seed"])),
            *(_text(row["keys"].get(key)) for key in keys),
            *_progress_cells(row),
        )
    table_console().print(table)


def record_world(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="Directory of the files (default: RUN_DIR/world).")
    ] = None,
    until_s: Annotated[
        float | None,
        typer.Option(min=0.0, help="Export gains up to this world time (default: end of the run)."),
    ] = None,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="Import the code that the run's scenario names.")
    ] = False,
) -> None:
    """Export gains, positions and availability of a run, for replays by other runs."""
    folder = run / WORLD if out is None else out
    for path in record(run, folder, until_s, imports_plugins=plugins):
        print(path)


def _run_column() -> Column:
    """Return the column of the run names, never cut off: they are arguments of other commands."""
    return Column("run", no_wrap=True, overflow="ignore")


def _progress_cells(row: dict[str, Any]) -> list[str]:
    """Return round, accuracy, simulated time and wall time of a run as text."""
    templates = {
        "round": "{:,}" if row["state"] == "finished" else f"{{:,}} of {row['rounds'] or 0:,}",
        "accuracy": "{:.1%}",
        "simulated_s": "{:,.0f} s",
        "wall_s": "{:,.0f} s",
    }
    return [
        "" if row[name] is None else template.format(row[name])
        for name, template in templates.items()
    ]


def _text(value: object) -> str:
    return "" if value is None else shown(value)


def _engine(
    name: EngineName, jobs: int | None, address: str | None, *, gpus_per_run: float
) -> Engine:
    if name is EngineName.RAY:
        from coupling.sweeps.engines.ray import RayEngine

        return RayEngine(address, gpus_per_run, jobs, log=_warn)
    if address is not None or gpus_per_run:
        raise ScenarioError("--address and --gpus-per-run need --engine ray")
    return LocalEngine(jobs or cores())


def run_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a run directory, one number per key.

    Raises:
        ValueError: the run directory cannot be read.
    """
    from analysis import load
    from analysis.metrics import summary

    numbers = summary(load(folder))
    del numbers["run"]
    return numbers


def _print_rows(rows: Sequence[dict[str, Any]], keys: Sequence[str], place: str) -> None:
    """Print the table of a sweep if it is short, and the path of its file."""
    numbers = [name for name in _SHOWN_NUMBERS if any(row.get(name) is not None for row in rows)]
    if len(rows) <= _SHOWN_ROWS:
        table = Table(_run_column(), *keys, "seed", "state", *numbers)
        for row in rows:
            measured = (f"{row[name]:.4g}" if row.get(name) is not None else "" for name in numbers)
            table.add_row(*(_text(row[key]) for key in ("run", *keys, "seed", "state")), *measured)
        table_console().print(table)
    print(place)


@final
class SweepProgress:
    """Progress bar of a sweep on stderr: ended runs, failed runs, and the time left."""

    def __init__(self, sweep: Sweep) -> None:
        self._bar = progress.Progress(
            progress.TextColumn("runs"),
            progress.MofNCompleteColumn(),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[status]}"),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=plain_console(stderr=True),
        )
        self._total = len(sweep.results)
        self._skipped = sum(run.state == "finished" for run in sweep.results)
        failed = sum(run.state == "failed" for run in sweep.results)
        self._failed = 0 if sweep.todo else failed
        self._task = self._bar.add_task(
            "", total=self._total, completed=self._total - len(sweep.todo), status=self._status()
        )

    def __enter__(self) -> "SweepProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, result: TaskResult) -> None:
        """Count a run that has ended."""
        self._failed += result.state == "failed"
        self._bar.update(self._task, advance=1, status=self._status())

    def _status(self) -> str:
        return f"{self._skipped} finished before, {self._failed} failed"
