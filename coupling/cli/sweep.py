"""The commands for many runs: do them, list them, and write down the world that one met."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import progress
from rich.console import Console
from rich.table import Column, Table

from coupling.run_directory import status
from coupling.run_directory.remote import is_url
from coupling.scenario.errors import Interrupted, RunError, ScenarioError, os_error_text
from coupling.scenario.file import parse_set
from coupling.simulation.export_world import record
from coupling.simulation.signals import stop_requests
from coupling.sweeps import grid
from coupling.sweeps.compare import parse_seeds
from coupling.sweeps.engines import Engine, LocalEngine, TaskResult
from coupling.sweeps.engines.local import cores
from coupling.sweeps.sweep import TABLE, Result, Sweep, write_table

_SHOWN_ROWS: Final = 40
_SHOWN_NUMBERS: Final = ("scheduled_mean", "delay_mean_s", "accuracy_last")


class EngineName(StrEnum):
    """Engines of ``airtune sweep``."""

    LOCAL = "local"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("sweep")(sweep)
    app.command("ls")(list_runs)
    app.command("record")(record_world)


def sweep(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (TOML).")],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Values of one key; every combination is run."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="FIRST:END", help="Seeds, END not included, or a list.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the scenario."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Directory or URL of the sweep; by default sweeps/NAME.")
    ] = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network alone.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed runs again.")] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Where the runs are carried out.")
    ] = EngineName.LOCAL,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Most runs at a time; by default all cores.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster; by default one of this machine.")
    ] = None,
    gpus_per_run: Annotated[
        float, typer.Option(min=0.0, help="Share of a GPU for a run (Ray).")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Run every combination of values and seeds, skip what is finished, and leave one table."""
    runs = grid.plan(
        scenario,
        place := _place(out, scenario),
        grid.parse_vary(vary or []),
        None if seeds is None else parse_seeds(seeds),
        settings=dict(parse_set(argument) for argument in settings or []),
        learning=not no_learning,
    )
    several = Sweep(runs, retry=retry)
    with _Bar(several) as bar, stop_requests() as stop:
        try:
            several.run(_engine(engine, jobs, address, gpus_per_run), stop, bar.show)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted at once; the same command goes on with every run from its last checkpoint"
            ) from None
        rows = write_table(several.results, place, _summary)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print_rows(rows, list(runs[0].keys), f"{place}/{TABLE}")
    _conclude(several.results)


def list_runs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A directory with run directories below it.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """List the run directories in a directory and how far each is."""
    try:
        rows = [status.row(path, folder) for path in status.run_directories(folder)]
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be read: {os_error_text(error)}") from None
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(_run_column(), "state", "scenario", "seed", "round", "simulated", "wall time")
    for row in rows:
        state = row["state"] if row["error"] is None else f"{row['state']}: {row['error']}"
        table.add_row(row["run"], state, row["scenario"], _text(row["seed"]), *_distance(row))
    Console().print(table)


def record_world(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="Directory of the files; by default RUN_DIR/world.")
    ] = None,
    until_s: Annotated[
        float | None,
        typer.Option(min=0.0, help="World time that gains go on to, if later than the run's end."),
    ] = None,
) -> None:
    """Write down the world that a run met, so that another run can be given the same."""
    for path in record(run, run / "world" if out is None else out, until_s):
        print(path)


def _run_column() -> Column:
    """Return a column whose names are never cut off: they are what the next command is given."""
    return Column("run", no_wrap=True)


def _distance(row: dict[str, Any]) -> tuple[str, str, str]:
    if row["rounds"] is None:
        return "", "", ""
    return (
        f"{row['round']:,} of {row['rounds']:,}",
        f"{row['simulated_s']:,.0f} s",
        f"{row['wall_s']:,.0f} s",
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _place(out: str | None, scenario: Path) -> str:
    place = f"sweeps/{scenario.stem}" if out is None else out.rstrip("/")
    if is_url(place):
        return place
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(f"--out {place}: cannot be written: {os_error_text(error)}") from None
    # Workers have working directories of their own.
    return str(Path(place).resolve())


def _engine(name: EngineName, jobs: int | None, address: str | None, gpus_per_run: float) -> Engine:
    if name is EngineName.RAY:
        from coupling.sweeps.engines.ray import RayEngine

        return RayEngine(address, gpus_per_run, jobs)
    if address is not None or gpus_per_run:
        raise ScenarioError("--address and --gpus-per-run belong to --engine ray")
    return LocalEngine(jobs or cores())


def _summary(folder: Path) -> dict[str, Any]:
    from analysis import load
    from analysis.metrics import summary

    found = summary(load(folder))
    del found["run"]
    return found


def _print_rows(rows: Sequence[dict[str, Any]], keys: Sequence[str], place: str) -> None:
    numbers = [name for name in _SHOWN_NUMBERS if any(row.get(name) is not None for row in rows)]
    if len(rows) <= _SHOWN_ROWS:
        table = Table(_run_column(), *keys, "seed", "state", *numbers)
        for row in rows:
            measured = (f"{row[name]:.4g}" if row.get(name) is not None else "" for name in numbers)
            table.add_row(
                row["run"], *(str(row[key]) for key in (*keys, "seed", "state")), *measured
            )
        Console().print(table)
    print(place)


def _conclude(results: Sequence[Result]) -> None:
    failed = [result for result in results if result.state == "failed"]
    for result in failed:
        typer.echo(f"{result.planned.task.path}: {result.error}", err=True)
    finished = sum(result.state == "finished" for result in results)
    if finished + len(failed) < len(results):
        raise Interrupted(
            f"interrupted: {finished} of {len(results)} runs are finished; the same command goes on with the rest"
        )
    if failed:
        raise RunError(f"{len(failed)} of {len(results)} runs failed; --retry tries them again")


class _Bar:
    """A progress bar on stderr: runs that ended, among them failed ones, and the time left."""

    def __init__(self, several: Sweep) -> None:
        self._bar = progress.Progress(
            progress.TextColumn("runs"),
            progress.MofNCompleteColumn(),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[news]}"),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._total = len(several.results)
        self._skipped = sum(result.state == "finished" for result in several.results)
        self._failed = (
            sum(result.state == "failed" for result in several.results) if not several.todo else 0
        )
        self._task = self._bar.add_task(
            "", total=self._total, completed=self._total - len(several.todo), news=self._news()
        )

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, ending: TaskResult) -> None:
        """Count a run that ended."""
        self._failed += ending.state == "failed"
        self._bar.update(self._task, advance=1, news=self._news())

    def _news(self) -> str:
        return f"{self._skipped} finished before, {self._failed} failed"
