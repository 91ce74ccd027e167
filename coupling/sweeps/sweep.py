"""Many runs, each in a directory of its own, and the table of what they came to."""

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from coupling.run_directory import atomic
from coupling.run_directory.remote import RemoteRunDirectory, is_url
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.run_directory.status import run_status
from coupling.scenario.errors import RunError
from coupling.sweeps.engines import Engine, TaskResult
from coupling.sweeps.engines.base import Stop
from coupling.sweeps.grid import PlannedRun

TABLE: Final = "sweep.parquet"
_SUMMARISED: Final = ("rounds", "evaluations")

Summarise = Callable[[Path], Mapping[str, Any]]
"""Returns the summary of a run directory, one number a key; raises ValueError where it cannot be
read.
"""


@final
@dataclass(frozen=True)
class Result:
    """A run of a sweep and how it stands: ``finished``, ``failed``, ``interrupted`` or
    ``waiting``.
    """

    planned: PlannedRun
    state: str
    error: str | None = None


@final
class Sweep:
    """The runs of a sweep; those that are finished are never run again."""

    def __init__(self, runs: Sequence[PlannedRun], *, retry: bool) -> None:
        self._results = {planned.task.name: _present(planned) for planned in runs}
        again = {"waiting", "interrupted"} | ({"failed"} if retry else set())
        self.todo = [result.planned for result in self._results.values() if result.state in again]
        """The runs that are still to be done."""

    @property
    def results(self) -> list[Result]:
        """All runs in their order, and how they stand."""
        return list(self._results.values())

    def run(self, engine: Engine, stop: Stop, on_end: Callable[[TaskResult], None]) -> None:
        """Let an engine carry out what is to be done, and tell ``on_end`` of each run that
        ended.
        """
        planned = {one.task.name: one for one in self.todo}
        for ending in engine.work([one.task for one in self.todo], stop):
            name = ending.task.name
            self._results[name] = Result(planned[name], ending.state, ending.error)
            on_end(ending)


def write_table(
    results: Iterable[Result], place: str, summarise: Summarise
) -> list[dict[str, Any]]:
    """Write ``sweep.parquet`` into the sweep's directory and return its rows: keys, seed, state and
    summary.
    """
    rows = [_row(result, summarise) for result in results]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    table = pa.table(columns).replace_schema_metadata({"airtune.schema": SCHEMA_VERSION})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    try:
        if is_url(place):
            fsspec.core.url_to_fs(place)[0].pipe_file(f"{place}/{TABLE}", buffer.getvalue())
        else:
            atomic.write(Path(place) / TABLE, buffer.getvalue())
    except OSError as error:
        raise RunError(f"{place}/{TABLE}: cannot be written: {error}") from None
    return rows


def _present(planned: PlannedRun) -> Result:
    found = run_status(planned.task.path)
    match found.state:
        case "finished" | "failed":
            return Result(planned, found.state, found.error)
        case "damaged":
            return Result(planned, "failed", found.error)
        case "absent":
            return Result(planned, "waiting")
        case _:
            return Result(planned, "interrupted")


def _row(result: Result, summarise: Summarise) -> dict[str, Any]:
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
                # A varied key such as rounds may have the name of a summary's number.
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
    """Return a column of one type; values of several types, and tables, become JSON."""
    kinds = {_kind(value) for value in values if value is not None}
    if kinds - {"flag", "number", "text"} or len(kinds) > 1:
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
