"""Runs from Python: ``run``, ``resume``, ``sweep``, ``compare`` and ``export``."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from airtune.notebook import NotebookProgress, in_notebook
from analysis import Run, load, load_many
from analysis.metrics import summary
from analysis.policies import policy_table
from coupling import Scenario, sweeps
from coupling import resume as resume_run
from coupling import run as start_run
from coupling.export.adapter_directory import export_adapter
from coupling.export.hub import push as push_folder
from coupling.export.hub import require_repository_name
from coupling.run_directory.directory import RunDirectory
from coupling.run_directory.schema import TABLES
from coupling.scenario.ending import Ending
from coupling.simulation.observers import RunObserver
from coupling.simulation.result import RunResult
from netsim.scheduling import Policy, RoundRecord


def run(
    scenario: Scenario | str | Path,
    out: str | Path | None = None,
    *,
    policy: Policy | None = None,
    learning: bool = True,
    on_round: Callable[[RoundRecord], None] | None = None,
    stop: Callable[[], bool] | None = None,
    observers: Sequence[RunObserver] = (),
    progress: bool | None = None,
) -> Run:
    """Run a scenario, or a scenario file, and return its tables; see ``coupling.run``.

    ``progress`` shows a bar in a notebook; by default, wherever the code runs in one.

    Raises:
        ScenarioError: the scenario is not valid, or ``out`` cannot be used; nothing was written.
        RunError: the run failed; the tables up to the round that it names are in ``out``.
    """
    loaded = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    result = start_run(
        loaded,
        out,
        policy=policy,
        learning=learning,
        on_round=on_round,
        stop=stop,
        observers=[*observers, *_progress(loaded.ending, progress)],
    )
    return _tables(result)


def resume(
    folder: str | Path,
    *,
    policy: Policy | None = None,
    on_round: Callable[[RoundRecord], None] | None = None,
    stop: Callable[[], bool] | None = None,
    progress: bool | None = None,
) -> Run:
    """Continue a run from its checkpoint and return its tables; see ``coupling.resume``.

    ``progress`` as in ``run``.

    Raises:
        ScenarioError: there is no run directory, or the model or data can no longer be had.
        RunError: the checkpoint is damaged or of another scenario, or the run failed.
    """
    ending = RunDirectory(folder).scenario(imports_plugins=False).ending
    observers = _progress(ending, progress)
    result = resume_run(folder, policy=policy, on_round=on_round, stop=stop, observers=observers)
    return _tables(result)


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
) -> pd.DataFrame:
    """Run every combination of values and seeds, and return one row per run.

    See ``coupling.sweeps.sweep``; a row also has the numbers of ``analysis.summary``.

    Raises:
        ScenarioError: a combination is not valid, or ``out`` cannot be used.
    """
    rows = sweeps.sweep(
        scenario,
        vary,
        seeds,
        settings=settings,
        out=out,
        learning=learning,
        retry=retry,
        jobs=jobs,
        summarise=_summary,
    )
    return pd.DataFrame(rows)


def compare(
    scenario: Scenario | str | Path,
    policies: Sequence[str],
    seeds: Sequence[int] = range(20),
    *,
    settings: Mapping[str, object] | None = None,
    equal_delay: bool = False,
    learning: bool = True,
    out: str | Path | None = None,
) -> pd.DataFrame:
    """Run policies in the same worlds, and return one row per policy, with intervals.

    See ``coupling.sweeps.compare``; the first policy is the reference.

    Raises:
        ScenarioError: a policy is unknown or named twice, or a setting is not valid.
        RunError: a run failed.
    """
    return sweeps.compare(
        scenario,
        policies,
        seeds,
        tabulate=lambda folders: policy_table(load_many(folders)),
        settings=settings,
        equal_delay=equal_delay,
        learning=learning,
        out=out,
    )


def export(
    run: str | Path, out: str | Path, *, merge: bool = False, push: str | None = None
) -> Path:
    """Export the adapter and heads of a finished run in peft's format, and return the folder.

    With ``merge`` the merged model is written, too. ``push`` is ``OWNER/NAME`` of a repository on
    the Hugging Face hub, to which the folder is uploaded.

    Raises:
        ScenarioError: it is no finished run with an adapter, or ``out`` cannot be used.
        RunError: a file of the run is damaged, or the upload failed; ``out`` is then complete.
    """
    if push is not None:
        require_repository_name(push)
    folder = Path(out)
    export_adapter(Path(run), folder, summarise=_summary, merge=merge)
    if push is not None:
        push_folder(folder, push)
    return folder


def _progress(ending: Ending, wanted: bool | None) -> list[RunObserver]:
    """Return the observer that shows the progress in a notebook, or none."""
    return [NotebookProgress(ending)] if (in_notebook() if wanted is None else wanted) else []


def _summary(folder: Path) -> dict[str, Any]:
    numbers = summary(load(folder))
    del numbers["run"]
    return numbers


def _tables(result: RunResult) -> Run:
    if result.path is not None:
        return load(result.path)
    tables = {name: result.arrow(name) for name in TABLES}
    return Run.from_tables(tables, result.scenario, result.provenance)
