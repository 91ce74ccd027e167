"""Run directories kept elsewhere: complete pushes count, broken-off ones change nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from support.small_runs import assert_same_tables, network, scenario_file, stop_after

from coupling import RunError, run
from coupling.run_directory.remote import RemoteRunDirectory
from coupling.run_directory.status import run_status
from coupling.scenario.errors import Interrupted
from coupling.simulation.run import resume
from coupling.sweeps.engines.worker import execute
from coupling.sweeps.grid import plan
from coupling.sweeps.sweep import Sweep, write_table

URL = "memory://airtune-test"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    if filesystem.exists("/airtune-test"):
        filesystem.rm("/airtune-test", recursive=True)


def stopped(tmp_path: Path, at: int = 9) -> Path:
    note, stop = stop_after(at)
    with pytest.raises(Interrupted):
        run(network(tmp_path), tmp_path / f"stopped-{at}", on_round=note, stop=stop)
    return tmp_path / f"stopped-{at}"


@pytest.mark.usefixtures("memory")
def test_a_run_elsewhere_is_one_like_any_other(tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    task = plan(tmp_path / "small.toml", URL, {}, None, settings={}, learning=False)[0].task

    assert execute(task, lambda: False) == ("finished", None)

    assert run_status(task.path).state == "finished"
    assert RemoteRunDirectory(task.path).download(tmp_path / "fetched")
    assert_same_tables(tmp_path / "fetched", whole)


def test_a_stopped_run_elsewhere_goes_on_from_its_last_push(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    task = plan(tmp_path / "small.toml", URL, {}, None, settings={}, learning=False)[0].task
    asked = iter([False] * 6)

    assert execute(task, lambda: next(asked, True)) == ("interrupted", None)
    assert run_status(task.path).state == "interrupted"
    assert execute(task, lambda: False) == ("finished", None)

    assert RemoteRunDirectory(task.path).download(tmp_path / "fetched")
    assert_same_tables(tmp_path / "fetched", whole)
    assert len(json.loads((tmp_path / "fetched" / "provenance.json").read_text())["resumed"]) == 1
    assert len(memory.ls("/airtune-test/" + task.name + "/manifests")) == 1, (
        "former ones are removed"
    )


def test_every_checkpoint_is_uploaded_so_a_lost_machine_costs_few_rounds(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    mirror, rounds = RemoteRunDirectory(f"{URL}/run"), []

    def lost(folder: Path) -> None:
        mirror.upload(folder)
        rounds.append(json.loads((folder / "provenance.json").read_text())["round"])
        if len(rounds) == 2:
            raise ConnectionAbortedError  # from here on this machine does nothing any more

    with pytest.raises(RunError):
        run(network(tmp_path), tmp_path / "lost", on_checkpoint=lost)
    assert RemoteRunDirectory(f"{URL}/run").download(tmp_path / "fetched")

    resumed: list[int] = []
    resume(tmp_path / "fetched", on_round=lambda record: resumed.append(record.round))

    assert rounds == [4, 8]
    assert resumed[0] == 9
    assert_same_tables(tmp_path / "fetched", run(network(tmp_path), tmp_path / "whole"))


@pytest.mark.parametrize("writes", range(1, 16))
def test_a_push_broken_off_after_any_write_changes_nothing(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    # Their second parts differ, as after a failure between two checkpoints.
    early, late = stopped(tmp_path, 5), stopped(tmp_path, 9)
    RemoteRunDirectory(f"{URL}/run").upload(early)
    left = [writes]

    def breaking(method: str) -> None:
        real = getattr(type(memory), method)

        def write(self: fsspec.AbstractFileSystem, *arguments: object, **options: object) -> object:
            if left[0] == 0:
                raise OSError("the connection is gone")
            left[0] -= 1
            return real(self, *arguments, **options)

        monkeypatch.setattr(type(memory), method, write)

    breaking("put_file")
    breaking("pipe_file")
    problem = None
    try:
        RemoteRunDirectory(f"{URL}/run").upload(late)
    except RunError as error:
        problem = str(error)
    monkeypatch.undo()
    assert problem in (None, f"{URL}/run: cannot be written: the connection is gone")

    assert RemoteRunDirectory(f"{URL}/run").download(tmp_path / "fetched")
    assert_same_tables(tmp_path / "fetched", early if problem else late)
    resume(tmp_path / "fetched")


def test_a_manifest_cut_off_while_it_was_written_does_not_count(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    early = stopped(tmp_path, 5)
    RemoteRunDirectory(f"{URL}/run").upload(early)
    memory.pipe_file("/airtune-test/run/manifests/000000001.json", b'{"files": {')

    assert RemoteRunDirectory(f"{URL}/run").download(tmp_path / "fetched")

    assert_same_tables(tmp_path / "fetched", early)


def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    RemoteRunDirectory(f"{URL}/run").upload(stopped(tmp_path))
    memory.pipe_file("/airtune-test/run/rounds/part-000000.parquet", b"PAR1")

    with pytest.raises(RunError, match=r"part-000000\.parquet: differs from its manifest"):
        RemoteRunDirectory(f"{URL}/run").download(tmp_path / "fetched")


@pytest.mark.usefixtures("memory")
def test_the_table_of_a_sweep_elsewhere_has_its_summaries(tmp_path: Path) -> None:
    runs = plan(scenario_file(tmp_path), URL, {}, [0, 1], settings={}, learning=False)
    assert execute(runs[0].task, lambda: False) == ("finished", None)

    rows = write_table(
        Sweep(runs, retry=False).results,
        URL,
        lambda folder: {"parts": len(list(folder.glob("rounds/part-*")))},
    )

    assert [(row["state"], row.get("parts")) for row in rows] == [
        ("finished", 1),
        ("waiting", None),
    ]
    assert fsspec.filesystem("memory").exists("/airtune-test/sweep.parquet")


def test_what_is_no_run_directory_is_not_pushed(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "none", ignore_errors=True)

    RemoteRunDirectory(f"{URL}/run").upload(tmp_path / "none")

    assert not RemoteRunDirectory(f"{URL}/run").download(tmp_path / "fetched")
