"""One run of a sweep, wherever it is carried out: begun, or gone on with, and kept where it
belongs.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from coupling.run_directory.layout import SCENARIO
from coupling.run_directory.lock import LockedError, is_locked
from coupling.run_directory.remote import RemoteRunDirectory, is_url
from coupling.scenario.errors import Interrupted, RunError, ScenarioError
from coupling.simulation.run import resume, run
from coupling.sweeps.engines.base import Stop, Task, TaskState


def outcome(task: Task, stop: Stop) -> tuple[TaskState, str | None]:
    """Carry out a run and return how it ended, with the line about what failed.

    Raises:
        LockedError: another process has the run directory.
    """
    try:
        carry_out(task, stop)
    except LockedError:
        raise
    except Interrupted:
        return "interrupted", None
    except (RunError, ScenarioError) as error:
        return "failed", str(error)
    return "finished", None


def carry_out(task: Task, stop: Stop) -> None:
    """Bring a run to its end, from its checkpoint if it has one.

    Where the sweep's directory is a URL, the run is computed in a local directory that is removed
    afterwards; what it has saved is uploaded at every checkpoint and at the end.
    """
    if not is_url(task.place):
        _begin_or_resume(Path(task.path), task, stop, lambda _: None)
        return
    mirror = RemoteRunDirectory(task.path)
    with tempfile.TemporaryDirectory(prefix="airtune-") as scratch:
        folder = Path(scratch) / task.name
        mirror.download(folder)
        try:
            _begin_or_resume(folder, task, stop, mirror.upload)
        finally:
            mirror.upload(folder)


def _begin_or_resume(
    folder: Path, task: Task, stop: Stop, on_checkpoint: Callable[[Path], None]
) -> None:
    if (folder / SCENARIO).exists():
        resume(folder, stop=stop, on_checkpoint=on_checkpoint)
        return
    if is_locked(folder):
        raise LockedError(f"{folder}: another process begins this run")
    # Without a scenario it was stopped while it began: nothing in it is worth keeping.
    shutil.rmtree(folder, ignore_errors=True)
    run(task.scenario, folder, learning=task.learning, stop=stop, on_checkpoint=on_checkpoint)
