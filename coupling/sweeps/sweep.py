"""Sweep: many runs, each in its own directory, and the table of their summaries."""

import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from coupling.files import atomic
from coupling.files.documents import require_regular
from coupling.files.urls import (
    clear_place,
    file_system,
    is_url,
    masked,
    refuse_links_on,
    store_errors,
)
from coupling.run_directory.input_files import changed_files
from coupling.run_directory.layout import SWEEP_TABLE
from coupling.run_directory.remote import RemoteRunDirectory
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.run_directory.status import run_status
from coupling.scenario.errors import Interrupted, RunError, ScenarioError, os_error_text, shown
from coupling.scenario.scenario import Scenario
from coupling.sweeps.engines import Engine, LocalEngine, TaskResult
from coupling.sweeps.engines.base import Stop
from coupling.sweeps.engines.local import cores
from coupling.sweeps.grid import PlannedRun, plan

_SCHEMA: Final = "airtune.schema"
_LARGEST: Final = 2**63 - 1
"""Largest whole number of a column."""
_SUMMARISED: Final = ("rounds", "evaluations")

Summarise = Callable[[Path], Mapping[str, Any]]
"""Returns the summary of a run directory, one number per key; raises ValueError where it cannot be
read.
"""


@final
@dataclass(frozen=True)
class SweepRun:
    """State of one run: ``finished``, ``failed``, ``interrupted``, ``held`` or ``waiting``.

    A run that is ``held`` is executed by another process; the next sweep continues it.
    """

    planned: PlannedRun
    state: str
    error: str | None = None


@final
class Sweep:
    """The runs of a sweep; finished runs are not run again."""

    def __init__(self, runs: Sequence[PlannedRun], *, retry: bool) -> None:
        self._results = {planned.task.name: _present(planned) for planned in runs}
        unfinished = {"waiting", "interrupted"} | ({"failed"} if retry else set())
        self.todo = [run.planned for run in self._results.values() if run.state in unfinished]
        """The runs that an engine still has to execute."""

    @property
    def results(self) -> list[SweepRun]:
        """All runs in their order, with their states."""
        return list(self._results.values())

    def run(self, engine: Engine, stop: Stop, on_end: Callable[[TaskResult], None]) -> None:
        """Let an engine execute the unfinished runs, and call ``on_end`` with each result."""
        planned = {run.task.name: run for run in self.todo}
        for result in engine.work([run.task for run in self.todo], stop):
            name = result.task.name
            self._results[name] = SweepRun(planned[name], result.state, result.error)
            on_end(result)

    def raise_if_unfinished(self) -> None:
        """Raise the error of a sweep with runs that failed or did not end.

        Raises:
            Interrupted: a run is not finished.
            RunError: all runs have ended, and some of them failed.
        """
        states = [run.state for run in self._results.values()]
        finished = states.count("finished")
        failed = states.count("failed")
        held = states.count("held")
        if finished + failed + held < len(states):
            raise Interrupted(
                f"interrupted: {finished} of {len(states)} runs are finished; "
                "run the same command again to continue"
            )
        lines = []
        if failed:
            lines.append(f"{failed} of {len(states)} runs failed; --retry runs them again")
        if held:
            lines.append(
                f"{held} of {len(states)} runs are held by another process; "
                "run the same command again to continue them"
            )
        if lines:
            raise RunError("; ".join(lines))

    def input_changes(self) -> dict[str, int]:
        """Return the input files that have changed since finished runs met them.

        The value is the number of those runs.
        """
        changed = Counter[str]()
        for result in self._results.values():
            if result.state == "finished":
                recorded = run_status(result.planned.task.path).facts.get("input_files")
                changed.update(changed_files(result.planned.task.scenario, recorded or {}))
        return dict(changed)


def sweep(
    scenario: Scenario | str | Path,
    vary: Mapping[str, Sequence[object]] | None = None,
    seeds: Sequence[int] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    out: str | Path | None = None,
    learning: bool = True,
    retry: bool = False,
    jobs: int | None = None,
    engine: Engine | None = None,
    summarise: Summarise = lambda folder: {},
) -> list[dict[str, Any]]:
    """Run a scenario for every combination of values and seeds; return the rows of its table.

    ``vary`` maps keys such as ``"devices.count"`` to their values, and ``settings`` sets other
    keys. Each run has its own directory in ``out`` (default: ``sweeps/NAME``), and a run that is
    finished is skipped. A row has the varied keys, the seed, the state and the numbers that
    ``summarise`` returns for the run directory. The local engine executes the runs, ``jobs`` in
    parallel (default: number of cores), unless another ``engine`` is given.

    Raises:
        ScenarioError: a combination is not valid, or ``out`` cannot be used.
        RunError: the table cannot be written; a run that failed is a row with its error.
    """
    base = scenario if isinstance(scenario, Scenario) else Path(scenario)
    place = place_of(base, None if out is None else str(out))
    runs = plan(base, place, vary or {}, seeds=seeds, settings=settings or {}, learning=learning)
    claim(place)
    unfinished = Sweep(runs, retry=retry)
    unfinished.run(engine or LocalEngine(jobs or cores()), lambda: False, lambda result: None)
    return write_table(unfinished.results, place, summarise)


def place_of(base: Scenario | Path, out: str | None) -> str:
    """Return the directory of a sweep: an absolute path, or a URL.

    Raises:
        ScenarioError: it is a URL whose file system cannot be used.
    """
    if out is None:
        name = base.name if isinstance(base, Scenario) else base.stem
        out = f"sweeps/{name}"
    place = out.rstrip("/")
    # Workers have working directories of their own.
    if not is_url(place):
        return str(Path(place).resolve())
    try:
        file_system(place)
    except ScenarioError as error:
        raise ScenarioError(f"--out {error}") from None
    return place


def claim(place: str) -> None:
    """Create the directory of a sweep.

    Raises:
        ScenarioError: it cannot be written, or it has runs of another schema version.
    """
    if not is_url(place):
        try:
            Path(place).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = os_error_text(error)
            raise ScenarioError(f"--out {place}: cannot be written: {text}") from None
    try:
        metadata = _table_metadata(place)
    except (OSError, ValueError, pa.ArrowException):
        return  # a table that is missing or damaged is written again at the end of the sweep
    version = metadata.get(_SCHEMA.encode(), b"none").decode("utf-8", "replace")
    if version != SCHEMA_VERSION:
        raise ScenarioError(
            f"--out {masked(place)}: has the runs of schema {shown(version)}, this version writes "
            f"{SCHEMA_VERSION}; name a new directory"
        )


def _table_metadata(place: str) -> dict[bytes, bytes]:
    """Return the metadata of the table of an earlier sweep."""
    if not is_url(place):
        require_regular(Path(place) / SWEEP_TABLE)
        with pa.OSFile(f"{place}/{SWEEP_TABLE}") as file:
            return pq.read_schema(file).metadata or {}
    files, path = file_system(f"{place}/{SWEEP_TABLE}")
    with store_errors(place, "used"):
        if not files.exists(path):
            return {_SCHEMA.encode(): SCHEMA_VERSION.encode()}
        refuse_links_on(files, path.removesuffix(f"/{SWEEP_TABLE}"), SWEEP_TABLE)
    with files.open(path) as file:
        return pq.read_schema(file).metadata or {}


def write_table(
    results: Iterable[SweepRun], place: str, summarise: Summarise
) -> list[dict[str, Any]]:
    """Write ``sweep.parquet`` into the directory of a sweep, and return its rows.

    A row has the varied keys, the seed, the state and the summary of a run.

    Raises:
        RunError: the table cannot be written.
    """
    rows = [_row(result, summarise) for result in results]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    table = pa.table(columns).replace_schema_metadata({_SCHEMA: SCHEMA_VERSION})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    if is_url(place):
        files, root = file_system(place)
        with store_errors(f"{place}/{SWEEP_TABLE}", "written"):
            clear_place(files, root, SWEEP_TABLE)
            files.makedirs(root, exist_ok=True)
            files.pipe_file(f"{root}/{SWEEP_TABLE}", buffer.getvalue())
        return rows
    try:
        atomic.write(Path(place) / SWEEP_TABLE, buffer.getvalue())
    except OSError as error:
        text = os_error_text(error)
        raise RunError(f"{place}/{SWEEP_TABLE}: cannot be written: {text}") from None
    return rows


def _present(planned: PlannedRun) -> SweepRun:
    """Return a run in the state that its directory has."""
    status = run_status(planned.task.path)
    match status.state:
        case "finished" | "failed":
            return SweepRun(planned, status.state, status.error)
        case "damaged":
            return SweepRun(planned, "failed", status.error)
        case "absent":
            return SweepRun(planned, "waiting")
        case _:
            return SweepRun(planned, "interrupted")


def _row(result: SweepRun, summarise: Summarise) -> dict[str, Any]:
    """Return the row of a run in the table of the sweep."""
    task = result.planned.task
    row = {
        "run": task.name,
        **result.planned.keys,
        "seed": task.scenario.seed,
        "state": result.state,
    }
    row["error"] = result.error
    if result.state == "finished":
        try:
            with _local(task.path) as folder:
                # A varied key such as rounds may have the name of a number of the summary.
                row = dict(summarise(folder)) | row
        except (ValueError, RunError) as error:
            row |= {"error": str(error)}
    order = ["run", *result.planned.keys, "seed", "state", "error"]
    return {name: row[name] for name in dict.fromkeys([*order, *row])}


@contextmanager
def _local(place: str) -> Iterator[Path]:
    """Yield a run directory on this machine, with the tables that a summary needs."""
    if not is_url(place):
        yield Path(place)
        return
    with tempfile.TemporaryDirectory(prefix="airtune-") as scratch:
        folder = Path(scratch) / place.rpartition("/")[2]
        RemoteRunDirectory(place).download(folder, _SUMMARISED)
        yield folder


def _column(values: list[Any]) -> pa.Array:
    """Return a column of one type.

    Values of several types, tables, and whole numbers that no column can hold become JSON.
    """
    kinds = {_kind(value) for value in values if value is not None}
    too_large = any(isinstance(value, int) and abs(value) > _LARGEST for value in values)
    if too_large or kinds - {"flag", "number", "text"} or len(kinds) > 1:
        values = [None if value is None else json.dumps(value) for value in values]
    elif kinds == {"number"} and any(isinstance(value, float) for value in values):
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, None if kinds else pa.string())


def _kind(value: object) -> str:
    match value:
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return "table"
