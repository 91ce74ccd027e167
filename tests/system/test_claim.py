"""Claim of a run directory: before anything is built, and by one process only."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.small_runs import AIRTUNE, assert_same_tables, network

from coupling import RunError, ScenarioError, run
from coupling.run_directory.directory import RunDirectory
from coupling.run_directory.lock import locked


def at_once(count: int, *arguments: str, cwd: Path) -> list[subprocess.CompletedProcess[str]]:
    """Return the results of a command that several processes start at the same moment."""

    def call(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *AIRTUNE, *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_two_runs_without_out_get_two_directories(tmp_path: Path) -> None:
    network(tmp_path)

    results = at_once(2, "run", "small.toml", cwd=tmp_path)

    assert [result.returncode for result in results] == [0, 0], results
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["small-1", "small-2"]
    assert_same_tables(tmp_path / "runs" / "small-1", tmp_path / "runs" / "small-2")


def test_of_two_runs_into_one_directory_one_is_refused(tmp_path: Path) -> None:
    scenario = network(tmp_path)

    results = at_once(2, "run", "small.toml", "--out", "one", cwd=tmp_path)

    assert sorted(result.returncode for result in results) == [0, 2]
    refused = next(result.stderr for result in results if result.returncode)
    assert refused.startswith("--out one: ")
    assert refused.endswith("name a new directory\n")
    assert len(refused.splitlines()) == 1
    assert_same_tables(tmp_path / "one", run(scenario, tmp_path / "other"))


def test_a_directory_that_another_process_has_claimed_is_refused(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    (tmp_path / "out").mkdir()

    with (
        locked(tmp_path / "out"),
        pytest.raises(ScenarioError, match=r"^--out .*: another process has begun a run in it"),
    ):
        run(scenario, tmp_path / "out")


def test_a_run_that_cannot_begin_removes_what_it_created(tmp_path: Path) -> None:
    scenario = network(tmp_path, learner={"model": str(tmp_path / "absent")} | LEARNER)

    with pytest.raises(ScenarioError, match=r"learner\.model"):
        run(scenario, tmp_path / "deep" / "er" / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError, match=r"learner\.model"):
        run(scenario, tmp_path / "empty")

    assert not (tmp_path / "deep").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_lock_without_a_run_does_not_block_the_directory(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_text("4711\n")

    result = run(network(tmp_path), tmp_path / "out")

    assert len(result.rounds) == 12


def test_the_next_free_directory_is_created_once(tmp_path: Path) -> None:
    first = RunDirectory.next_free(tmp_path / "runs", "small")
    second = RunDirectory.next_free(tmp_path / "runs", "small")

    run(network(tmp_path), second)
    with pytest.raises(RunError, match="boom"), first.claimed():
        raise RunError("boom")

    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["small-2"]


LEARNER = {
    "pooling": "mean",
    "lora": {"rank": 2, "alpha": 4},
    "optimizer": {"kind": "sgd", "lr": 0.1},
    "batch_size": 4,
    "evaluate_every": 2,
    "data": {"name": "movie_reviews"},
}
