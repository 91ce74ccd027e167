"""Faults of disk, directory, clock and neighbours: each ends in one line, or the run recovers."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file
from support.small_runs import (
    ENDLESS,
    airtune,
    assert_same_tables,
    environment,
    network,
    parts_in,
    start,
    stop_after,
    tables,
    wait_until,
)

from analysis import TraceError, load
from coupling import RunError, ScenarioError, run
from coupling.scenario.errors import Interrupted
from coupling.simulation.run import resume

SCRIPT = (
    "import resource, sys\n"
    "from coupling.cli import main\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))\n"
    "sys.exit(main(sys.argv[2:]))\n"
)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Return a run that was stopped after round 9 of 12 and has parts of rounds 1-4, 5-8 and 9."""
    note, stop = stop_after(9)
    with pytest.raises(Interrupted):
        run(network(tmp_path), tmp_path / "stopped", on_round=note, stop=stop)
    return tmp_path / "stopped"


def last_line(text: str) -> str:
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


def test_a_file_size_limit_ends_the_run_with_one_line_and_it_resumes(
    tmp_path: Path,
) -> None:
    scenario = network(tmp_path, rounds=60, every=20)
    whole = run(scenario, tmp_path / "whole")
    limit = max(part.stat().st_size for part in parts_in(whole, "devices")) - 1
    program = ["-c", SCRIPT, limit]
    process = start("run", "small.toml", "--out", "full", cwd=tmp_path, program=program)

    _, err = process.communicate()

    assert process.returncode == 1
    assert (
        last_line(err)
        == f"after round {len_of(tmp_path / 'full')}: full cannot be written: file too large"
    )
    assert not list((tmp_path / "full").rglob("*.partial"))
    state = json.loads((tmp_path / "full" / "provenance.json").read_text())
    assert state["state"] == "failed"
    assert state["error"].endswith("cannot be written: file too large")
    assert_same_tables(resume(tmp_path / "full"), whole)


def len_of(run_: Path) -> int:
    return int(json.loads((run_ / "provenance.json").read_text())["round"])


def test_a_full_disk_ends_the_run_with_one_line_and_what_was_saved_is_there(tmp_path: Path) -> None:
    """A real file system of 300 kB, mounted by the process itself; where that is not allowed there
    is none.
    """
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip(
            "no user namespaces here, so no file system to fill; the limit on a file's size remains"
        )
    network(tmp_path, rounds=ENDLESS, every=20)
    script = tmp_path / "small_disk.sh"
    script.write_text(
        "mkdir disk && mount -t tmpfs -o size=300k tmpfs disk\n"
        '"$@" run small.toml --out disk/full\n'
        "status=$?\n"
        "cp -r disk/full kept\n"
        "exit $status\n"
    )
    command = [sys.executable, "-c", "import sys; from coupling.cli import main; sys.exit(main())"]

    done = subprocess.run(
        ["unshare", "-rm", "bash", str(script), *command],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert last_line(done.stderr).endswith("disk/full cannot be written: no space left on device")
    kept = tmp_path / "kept"
    saved = json.loads((kept / "checkpoint" / "state.json").read_text())["round"]
    assert saved > 0
    assert tables(kept)["rounds"]["round"].to_pylist()[:saved] == list(range(1, saved + 1))
    note, stop = stop_after(saved + 30)
    with pytest.raises(Interrupted):
        resume(kept, on_round=note, stop=stop)


def test_an_out_directory_below_a_file_is_refused_before_the_run(
    tmp_path: Path,
) -> None:
    network(tmp_path)
    (tmp_path / "file").touch()

    done = airtune("run", "small.toml", "--out", "file/run", cwd=tmp_path)

    assert done.returncode == 2
    assert last_line(done.stderr) == "--out file/run: cannot be written: not a directory"


@pytest.mark.parametrize("place", ["rounds", "checkpoint.new", "provenance.json.partial", ".lock"])
def test_a_directory_that_cannot_be_written_is_one_line(stopped: Path, place: str) -> None:
    """Even root cannot make a file where a directory stands, nor the other way round."""
    if place == "rounds":
        shutil.rmtree(stopped / "rounds")
        (stopped / "rounds").touch()
    elif place == "checkpoint.new":
        (stopped / place).touch()
    else:
        (stopped / place).unlink(missing_ok=True)
        (stopped / place).mkdir()

    done = airtune("resume", stopped)

    assert done.returncode in (1, 2)
    assert str(stopped) in last_line(done.stderr)


@pytest.mark.parametrize("table", ["rounds", "devices"])
def test_a_part_that_was_deleted_is_named_before_anything_is_added(
    stopped: Path, table: str
) -> None:
    (stopped / table / "part-000001.parquet").unlink()

    with pytest.raises(RunError, match=rf"{table}/part-000001\.parquet: is missing or damaged"):
        resume(stopped)
    with pytest.raises(TraceError, match=rf"{table}: part-000001\.parquet is missing"):
        load(stopped).table(table)


def test_a_part_that_was_cut_off_is_named(stopped: Path) -> None:
    part = stopped / "devices" / "part-000002.parquet"
    part.write_bytes(part.read_bytes()[:-100])

    with pytest.raises(RunError, match=r"part-000002\.parquet: is missing or damaged"):
        resume(stopped)
    with pytest.raises(TraceError, match=r"part-000002\.parquet: is damaged"):
        load(stopped).table("devices")


def test_the_last_part_of_a_finished_run_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    folder = run(network(tmp_path), tmp_path / "whole")
    sorted(parts_in(folder, "transfers"))[-1].unlink()

    with pytest.raises(TraceError, match=r"transfers: part-000002\.parquet is missing"):
        load(folder).table("transfers")


def test_parts_after_the_checkpoint_are_replaced(stopped: Path, tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    shutil.copy(
        stopped / "rounds" / "part-000000.parquet", stopped / "rounds" / "part-000003.parquet"
    )
    (stopped / "rounds" / "part-000004.partial").write_bytes(b"PAR1")

    assert_same_tables(resume(stopped), whole)
    assert len(list((stopped / "rounds").iterdir())) == 4


def damage_state(checkpoint: Path, **changes: object) -> None:
    document = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps(document | changes))


def cut_arrays(checkpoint: Path) -> None:
    path = checkpoint / "devices.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def other_count(checkpoint: Path) -> None:
    path = checkpoint / "devices.safetensors"
    save_file({name: value[:-1].copy() for name, value in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda place: damage_state(place, schema="0"),
            "was written with another schema version; this one is",
        ),
        (
            lambda place: damage_state(place, scenario_sha256="0"),
            "belongs to another scenario than the scenario",
        ),
        (lambda place: damage_state(place, round=-1), "is damaged: round is not at least 0"),
        (
            lambda place: damage_state(place, round="9"),
            "is damaged: round is not a whole number",
        ),
        (
            lambda place: damage_state(place, parts={"rounds": 1}),
            "is damaged: parts is not what it should be",
        ),
        (lambda place: damage_state(place, more=1), "is damaged: more is unknown"),
        (lambda place: (place / "state.json").write_text("["), "is damaged: "),
        (
            lambda place: (place / "state.json").write_text("[]"),
            "is damaged: is no table",
        ),
        (lambda place: (place / "state.json").unlink(), "is damaged: "),
        (cut_arrays, "is damaged: "),
        (other_count, "is damaged: times_scheduled is not what it should be"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(
    stopped: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(stopped / "checkpoint")

    with pytest.raises(RunError) as caught:
        resume(stopped)

    assert str(caught.value).startswith(f"{stopped}/checkpoint: {message}")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_seed_is_refused(stopped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    note, stop = stop_after(5)
    with pytest.raises(Interrupted):
        run(network(other, seed=2), other / "run", on_round=note, stop=stop)
    shutil.rmtree(stopped / "checkpoint")
    shutil.copytree(other / "run" / "checkpoint", stopped / "checkpoint")

    with pytest.raises(RunError, match="belongs to another scenario"):
        resume(stopped)


def test_a_run_directory_of_another_schema_is_refused(stopped: Path) -> None:
    document = json.loads((stopped / "provenance.json").read_text())
    (stopped / "provenance.json").write_text(json.dumps(document | {"schema": "0"}))

    with pytest.raises(
        RunError, match="has schema 0, and this version of airtune continues runs of schema 2; run"
    ):
        resume(stopped)


def test_a_second_process_is_kept_out_and_told_who_is_there(tmp_path: Path) -> None:
    network(tmp_path, rounds=ENDLESS)
    first = start("run", "small.toml", "--out", "run", cwd=tmp_path)
    wait_until(lambda: list(parts_in(tmp_path / "run")), first)

    second = airtune("resume", "run", cwd=tmp_path)
    again = airtune("run", "small.toml", "--out", "run", cwd=tmp_path)

    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert (
        last_line(second.stderr)
        == f"run: another process ({first.pid}) is running in this directory"
    )
    assert again.returncode == 2
    assert last_line(again.stderr) == "--out run: is not empty; name a new directory"


def test_a_clock_set_back_changes_nothing(stopped: Path, tmp_path: Path) -> None:
    """To this run the clock was set back by years: all that it finds is from the future."""
    whole = run(network(tmp_path), tmp_path / "whole")
    document = json.loads((stopped / "provenance.json").read_text())
    (stopped / "provenance.json").write_text(
        json.dumps(document | {"started": "2999-01-01T00:00:00+00:00"})
    )
    for path in stopped.rglob("*"):
        os.utime(path, (32_503_680_000, 32_503_680_000))

    resume(stopped)

    assert_same_tables(stopped, whole)
    assert json.loads((stopped / "provenance.json").read_text())["wall_s"] >= document["wall_s"]


def test_a_directory_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"scenario\.toml: cannot be read"):
        resume(tmp_path)
    network(tmp_path).policy()
    (tmp_path / "small.toml").rename(tmp_path / "scenario.toml")

    with pytest.raises(ScenarioError, match=r"no provenance\.json.*; begin with: airtune run "):
        resume(tmp_path)


def test_memory_that_runs_out_is_no_reason_to_lose_rounds(tmp_path: Path) -> None:
    """The system may kill at any time; here it refuses memory instead, and Python raises."""
    folder = tmp_path / "run"

    def greedy(report: object) -> None:
        raise MemoryError

    with pytest.raises(RunError, match=r"^round 2: out of memory$"):
        run(network(tmp_path, every=None), folder, on_round=greedy)

    assert pq.read_table(next(iter(parts_in(folder)))).num_rows == 1
    assert json.loads((folder / "provenance.json").read_text())["state"] == "failed"
