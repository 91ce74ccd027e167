import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.small_runs import (
    AIRTUNE,
    ENDLESS,
    assert_same_tables,
    network,
    scenario_file,
    start,
    stop_after,
    wait_until,
)
from typing_extensions import override

from analysis import load
from analysis.metrics import summary
from coupling import Scenario, ScenarioError, run
from coupling.cli import app
from coupling.run_directory.schema import SCHEMA_VERSION
from coupling.run_directory.status import run_status
from coupling.scenario.errors import MAXIMUM_LINE, Interrupted
from coupling.sweeps.engines import Engine, LocalEngine, Task, TaskResult
from coupling.sweeps.engines.base import Stop
from coupling.sweeps.engines.local import cores
from coupling.sweeps.engines.worker import execute
from coupling.sweeps.grid import parse_vary, plan, run_name
from coupling.sweeps.sweep import Sweep, sweep

BUDGETS = "scheduler.delay_budget_s_per_bit=1e-6,2e-6"


def swept(folder: Path, *arguments: str) -> int:
    return app.main(
        [
            "sweep",
            str(folder / "small.toml"),
            "--out",
            str(folder / "sweep"),
            "--jobs",
            "2",
            *arguments,
        ]
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "sweep" / "sweep.parquet").to_pylist()
    return found


def test_every_combination_runs_once_per_seed_like_a_single_run(
    tmp_path: Path,
) -> None:
    network(tmp_path)

    assert (
        swept(
            tmp_path,
            "--vary",
            BUDGETS,
            "--vary",
            "scheduler.kind=algorithm1,aaba",
            "--seeds",
            "0:2",
        )
        == 0
    )

    found = rows(tmp_path)
    combinations = {
        (row["scheduler.delay_budget_s_per_bit"], row["scheduler.kind"], row["seed"])
        for row in found
    }
    assert combinations == {
        (b, kind, s) for b in (1e-6, 2e-6) for kind in ("algorithm1", "aaba") for s in (0, 1)
    }
    for row in (found[0], found[-1]):
        keys = ("scheduler.delay_budget_s_per_bit", "scheduler.kind", "seed")
        alone = run(
            Scenario.load(tmp_path / "small.toml", {key: row[key] for key in keys}),
            tmp_path / row["run"],
        )
        folder = tmp_path / "sweep" / row["run"]
        assert_same_tables(folder, alone)
        expected = summary(load(folder))
        del expected["run"]
        assert {name: row[name] for name in expected} == expected


def test_finished_runs_are_skipped_and_new_ones_added(tmp_path: Path) -> None:
    network(tmp_path)
    assert swept(tmp_path, "--vary", BUDGETS) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").rglob("part-*")}
    assert before

    assert swept(tmp_path, "--vary", "scheduler.delay_budget_s_per_bit=1e-6,2e-6,3e-6") == 0

    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row["state"] for row in rows(tmp_path)] == ["finished"] * 3


def test_unfinished_runs_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    whole = run(scenario, tmp_path / "whole")
    folder = tmp_path / "sweep" / run_name(scenario, learning=False)
    note, stop = stop_after(5)
    with pytest.raises(Interrupted):
        run(scenario, folder, on_round=note, stop=stop)

    assert swept(tmp_path) == 0

    assert len(json.loads((folder / "provenance.json").read_text())["resumed"]) == 1
    assert_same_tables(folder, whole)


def test_a_run_that_was_killed_while_it_began_begins_again(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / run_name(network(tmp_path), learning=False)
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    (folder / "provenance.json.partial").write_text("{")

    assert swept(tmp_path) == 0


def test_failed_runs_are_told_at_the_end_and_tried_again_only_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = network(tmp_path)
    folder = tmp_path / "sweep" / run_name(scenario, learning=False)
    note, stop = stop_after(9)
    with pytest.raises(Interrupted):
        run(scenario, folder, on_round=note, stop=stop)
    (folder / "rounds" / "part-000000.parquet").unlink()
    arguments = ("--vary", BUDGETS)

    assert swept(tmp_path, *arguments) == 1

    message = capsys.readouterr().err.strip().splitlines()
    assert message[-1] == "1 of 2 runs failed; --retry runs them again"
    assert message[-2].startswith(f"{folder}/rounds/part-000000.parquet: is missing or damaged")
    assert sorted(row["state"] for row in rows(tmp_path)) == ["failed", "finished"]
    (folder / "checkpoint").rename(tmp_path / "away")
    assert swept(tmp_path, *arguments) == 1, "not without --retry"
    assert swept(tmp_path, *arguments, "--retry") == 0
    assert_same_tables(folder, run(scenario, tmp_path / "whole"))


class RecordingEngine(Engine):
    """Carries out nothing, and keeps what it was given."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    @override
    def work(self, tasks: Sequence[Task], stop: Stop) -> Iterator[TaskResult]:
        self.tasks = list(tasks)
        yield from ()


def test_an_engine_is_given_only_what_is_to_be_done(tmp_path: Path) -> None:
    path = scenario_file(tmp_path)
    runs = plan(path, str(tmp_path), {}, [0, 1, 2], settings={}, learning=True)
    run(runs[1].task.scenario, runs[1].task.path)
    engine = RecordingEngine()
    several = Sweep(runs, retry=False)

    several.run(engine, lambda: False, lambda _: None)

    assert [task.scenario.seed for task in engine.tasks] == [0, 2]
    assert [result.state for result in several.results] == ["waiting", "finished", "waiting"]


def lock_owner(folder: Path) -> int | None:
    try:
        return int((folder / ".lock").read_text() or 0) or None
    except (OSError, ValueError):
        return None


def owners(place: Path, count: int) -> Callable[[], list[int]]:
    """Return a function that gives the processes of the running runs, once there are ``count``."""

    def found() -> list[int]:
        running = [path for path in place.iterdir() if list((path / "rounds").glob("part-*"))]
        pids = [
            pid
            for path in running
            if (pid := lock_owner(path)) and run_status(str(path)).state == "running"
        ]
        return pids if len(pids) == count else []

    return found


@pytest.fixture
def endless(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Yield a sweep of two runs that do not end and have each saved their state."""
    network(tmp_path, rounds=ENDLESS, every=3)
    (tmp_path / "sweep").mkdir()
    process = start(
        "sweep",
        "small.toml",
        "--out",
        "sweep",
        "--seeds",
        "0:2",
        "--jobs",
        "2",
        "--json",
        cwd=tmp_path,
    )
    wait_until(owners(tmp_path / "sweep", 2), process)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_a_worker_killed_by_the_system_fails_its_own_run_only(
    tmp_path: Path, endless: "subprocess.Popen[str]"
) -> None:
    """The system kills for memory as this test does: by SIGKILL, without a word."""
    victim, other = owners(tmp_path / "sweep", 2)()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: owners(tmp_path / "sweep", 1)() == [other], endless)

    endless.send_signal(signal.SIGTERM)

    out, err = endless.communicate()
    assert endless.returncode == 130
    assert err.splitlines()[-1].startswith(
        "interrupted: 0 of 2 runs are finished; run the same command"
    )
    by_state = {row["state"]: row for row in json.loads(out)}
    assert set(by_state) == {"failed", "interrupted"}
    assert "killed by SIGKILL, perhaps by the system for its memory" in by_state["failed"]["error"]
    status = run_status(str(tmp_path / "sweep" / by_state["failed"]["run"]))
    assert status.state == "stopped", "it left no message; the next sweep resumes it"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_runs_after_their_rounds_with_their_states_saved(
    tmp_path: Path, endless: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    endless.send_signal(number)

    out, err = endless.communicate()
    assert endless.returncode == 130
    assert "Traceback" not in err
    for row in json.loads(out):
        folder = tmp_path / "sweep" / row["run"]
        assert run_status(str(folder)).state == "interrupted"
        saved = json.loads((folder / "checkpoint" / "state.json").read_text())
        assert saved["round"] == json.loads((folder / "provenance.json").read_text())["round"]


def test_a_second_interrupt_ends_a_sweep_at_once_and_says_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second SIGINT is Python's own interrupt, wherever the engine is."""
    network(tmp_path)

    def interrupted(*_: object) -> Iterator[TaskResult]:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "work", interrupted)

    assert swept(tmp_path) == 130

    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        line == "interrupted at once; run the same command again to continue every run from its "
        "last checkpoint"
    )


def test_workers_whose_sweep_was_killed_save_their_states_and_end(
    tmp_path: Path, endless: "subprocess.Popen[str]"
) -> None:
    endless.kill()
    endless.communicate()

    folders = [path for path in (tmp_path / "sweep").iterdir() if path.is_dir()]
    wait_until(lambda: all(run_status(str(path)).state == "interrupted" for path in folders))
    assert len(folders) == 2


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_the_cores_are_shared_fairly_among_learning_runs(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    """A process of its own, because this one may be limited to one thread."""
    scenario_file(tmp_path, rounds=2, learner=tiny_learner_table)

    process = start(
        "sweep",
        "small.toml",
        "--out",
        "sweep",
        "--jobs",
        "2",
        "--json",
        cwd=tmp_path,
        threads=cores(),
    )

    out, err = process.communicate()
    assert process.returncode == 0, err
    (row,) = json.loads(out)
    facts = json.loads((tmp_path / "sweep" / row["run"] / "provenance.json").read_text())
    assert facts["torch_threads"] == cores() // 2


def test_the_name_of_a_run_is_its_content(tmp_path: Path) -> None:
    one, same, other = (
        scenario_file(tmp_path, f"{name}.toml", seed=int(name == "other"))
        for name in ("a", "b", "other")
    )

    names = [run_name(Scenario.load(path), learning=False) for path in (one, same, other)]

    assert names[0] == names[1] != names[2]
    assert run_name(Scenario.load(one), learning=True) != names[0]


def test_values_are_toml_and_commas_inside_them_do_not_part_them() -> None:
    given = [
        "a.b=1,2.5",
        "kind=aaba,greedy",
        "opt={kind='sgd',lr=0.1},{kind='adamw',lr=1e-3}",
        "p=[0,1]",
        's="x,y"',
    ]

    assert parse_vary(given) == {
        "a.b": [1, 2.5],
        "kind": ["aaba", "greedy"],
        "opt": [{"kind": "sgd", "lr": 0.1}, {"kind": "adamw", "lr": 1e-3}],
        "p": [[0, 1]],
        "s": ["x,y"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["devices.count"], "--vary devices.count: is not key=value,value"),
        (["a=1", "a=2"], "--vary a=2: a is varied twice"),
        (["seed=1,2"], "--vary seed=1,2: use --seeds"),
        (["a=1,,2"], "--vary a=1,,2: a value is missing"),
    ],
)
def test_a_value_that_cannot_be_varied_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_vary(arguments)

    assert str(caught.value).startswith(message)


def test_a_wrong_combination_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path)

    assert swept(tmp_path, "--vary", "devices.count=5,0") == 2

    assert "devices.count = 0 is not at least 1" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_the_short_form_of_rounds_names_the_same_run(tmp_path: Path) -> None:
    network(tmp_path)
    assert swept(tmp_path, "--rounds", "3") == 0

    assert swept(tmp_path, "--set", "rounds=3") == 0

    (row,) = rows(tmp_path)
    assert load(tmp_path / "sweep" / row["run"]).scenario["rounds"] == 3
    assert swept(tmp_path, "--rounds", "3", "--set", "rounds=4") == 2


def test_keys_of_several_types_become_text(tmp_path: Path) -> None:
    network(tmp_path)

    assert (
        swept(
            tmp_path,
            "--vary",
            'scheduler.zeta={kind="inverse_sqrt",initial=1.0},{kind="inverse_sqrt",initial=2.0}',
        )
        == 0
    )

    assert [json.loads(row["scheduler.zeta"])["initial"] for row in rows(tmp_path)] == [1.0, 2.0]


def test_a_varied_key_may_have_the_name_of_a_number_of_the_summary(tmp_path: Path) -> None:
    network(tmp_path)

    assert swept(tmp_path, "--vary", "rounds=3,4") == 0

    assert [row["rounds"] for row in rows(tmp_path)] == [3, 4]


def test_an_error_of_a_megabyte_does_not_block_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("[" * 1_000_000 + "device,time_s,available\n0,0,1\n")
    scenario = scenario_file(tmp_path)
    arguments = ["sweep", str(scenario), "--out", str(tmp_path / "s"), "--jobs", "1"]
    arguments += ["--set", "devices.availability.kind=trace"]
    arguments += ["--set", f"devices.availability.path={tmp_path / 'there.csv'}"]
    done = subprocess.run(
        [sys.executable, *AIRTUNE, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "has no column device" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= MAXIMUM_LINE


def test_a_run_locked_by_another_process_is_waited_for_by_nobody(tmp_path: Path) -> None:
    task = plan(scenario_file(tmp_path), str(tmp_path), {}, None, settings={}, learning=False)[
        0
    ].task

    assert execute(task, lambda: False) == ("finished", None)
    assert execute(task, lambda: False) == ("finished", None), "a finished run is left as it is"


def test_a_sweep_from_python_is_that_of_the_command(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    budgets = {"scheduler.delay_budget_s_per_bit": [1e-6, 2e-6]}

    table = sweep(scenario, budgets, seeds=[0, 1], out=tmp_path / "sweep", jobs=2)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("*/rounds/*")}
    assert swept(tmp_path, "--vary", BUDGETS, "--seeds", "0:2") == 0

    assert [(row["seed"], row["state"]) for row in table] == [
        (0, "finished"), (1, "finished"), (0, "finished"), (1, "finished"),
    ]  # fmt: skip
    assert [row["run"] for row in table] == [row["run"] for row in rows(tmp_path)]
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_a_sweep_of_an_earlier_schema_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path)
    assert swept(tmp_path) == 0
    table = pq.read_table(tmp_path / "sweep" / "sweep.parquet")
    old = table.replace_schema_metadata({"airtune.schema": "0"})
    pq.write_table(old, tmp_path / "sweep" / "sweep.parquet")
    capsys.readouterr()

    assert swept(tmp_path, "--seeds", "0:2") == 2

    place = tmp_path / "sweep"
    assert capsys.readouterr().err == (
        f"--out {place}: has the runs of schema 0, this version writes {SCHEMA_VERSION}; "
        "name a new directory\n"
    )
    assert pq.read_table(place / "sweep.parquet").num_rows == 1


def test_a_sweep_directory_on_an_unknown_file_system_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path)

    assert swept(tmp_path, "--out", "nowhere://bucket/sweep") == 2

    assert capsys.readouterr().err.startswith("--out nowhere://bucket/sweep: cannot be used: ")


@pytest.mark.parametrize("arguments", [["script.py"], ["-"]])
def test_a_script_without_a_main_guard_may_sweep(tmp_path: Path, arguments: list[str]) -> None:
    network(tmp_path)
    script = (
        "from coupling.sweeps import sweep\n"
        "rows = sweep('small.toml', seeds=range(2), jobs=2, learning=False)\n"
        "print([row['state'] for row in rows])\n"
    )
    (tmp_path / "script.py").write_text(script)

    answer = subprocess.run(
        [sys.executable, *arguments],
        input=script, capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip

    assert (answer.stdout, answer.stderr) == ("['finished', 'finished']\n", "")
