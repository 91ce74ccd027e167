"""Execute one run of a sweep: start or resume it, and upload it if the sweep directory is a URL."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from coupling.files.paths import refuse_link
from coupling.files.urls import masked
from coupling.run_directory.layout import SCENARIO
from coupling.run_directory.lock import LockedError, is_locked
from coupling.run_directory.remote import RemoteRunDirectory, is_url
from coupling.scenario.errors import MAXIMUM_LINE, Interrupted, RunError, ScenarioError, shown
from coupling.simulation.run import resume, run
from coupling.sweeps.engines.base import Stop, Task, TaskState


def execute(task: Task, stop: Stop) -> tuple[TaskState, str | None]:
    """Execute a run; return its state at the end, with the line that reports a failure.

    A run that another process executes is ``held``.
    """
    try:
        _run_to_end(task, stop)
    except LockedError as error:
        return "held", shown(error, MAXIMUM_LINE)
    except Interrupted:
        return "interrupted", None
    except (RunError, ScenarioError) as error:
        return "failed", shown(error, MAXIMUM_LINE)
    except MemoryError as error:
        return "failed", shown(f"{masked(task.path)}: out of memory: {error}", MAXIMUM_LINE)
    return "finished", None


def _run_to_end(task: Task, stop: Stop) -> None:
    """Bring a run to its end, from its checkpoint if it has one.

    Where the sweep's directory is a URL, the run is computed in a local directory that is removed
    afterwards; its saved state is uploaded at every checkpoint and at the end.
    """
    if not is_url(task.place):
        _start_or_resume(Path(task.path), task, stop, on_checkpoint=lambda _: None)
        return
    remote = RemoteRunDirectory(task.path)
    with tempfile.TemporaryDirectory(prefix="airtune-") as scratch:
        folder = Path(scratch) / task.name
        remote.download(folder)
        try:
            _start_or_resume(folder, task, stop, on_checkpoint=remote.upload)
        finally:
            remote.upload(folder)


def _start_or_resume(
    folder: Path, task: Task, stop: Stop, *, on_checkpoint: Callable[[Path], None]
) -> None:
    refuse_link(folder)
    if (folder / SCENARIO).exists():
        resume(folder, stop=stop, on_checkpoint=on_checkpoint, scenario=task.scenario)
        return
    if is_locked(folder):
        raise LockedError(f"{folder}: another process is starting this run")
    # Without a scenario the run was stopped while it started: the directory has nothing to keep.
    shutil.rmtree(folder, ignore_errors=True)
    run(task.scenario, folder, learning=task.learning, stop=stop, on_checkpoint=on_checkpoint)
