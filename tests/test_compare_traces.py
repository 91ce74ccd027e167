"""The comparison of two commits' traces finds every planted difference, and only differences."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import coupling
from benchmarks import compare_traces
from benchmarks.compare_traces import checkout, compare_runs, planned_runs

ROOT = Path(__file__).resolve().parent.parent
WALL_CLOCK = ("policy_wall_s", "learner_wall_s")


@pytest.fixture(scope="module")
def written_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run directory of three phased rounds without learning."""
    scenario = coupling.Scenario.load(ROOT / "scenarios" / "phased.toml", {"rounds": 3})
    out = tmp_path_factory.mktemp("before") / "run"
    coupling.run(scenario, out, learning=False)
    return out


@pytest.fixture
def copied_run(written_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written_run, tmp_path / "after")


def change(run: Path, table: str, column: str, values: pa.Array) -> None:
    (path,) = (run / table).glob("*.parquet")
    read = pq.read_table(path)
    index = read.column_names.index(column)
    pq.write_table(read.set_column(index, pa.field(column, values.type), values), path)


def test_a_copy_of_a_run_is_equal_in_every_column(written_run: Path, copied_run: Path) -> None:
    result = compare_runs(written_run, copied_run, WALL_CLOCK)

    assert result.difference is None
    assert result.tables == 6
    assert result.columns > 50
    assert result.rows > 100


def test_the_last_bit_of_a_number_is_found(written_run: Path, copied_run: Path) -> None:
    delay_s = pq.read_table(copied_run / "rounds")["delay_s"].to_numpy().copy()
    delay_s[1] = np.nextafter(delay_s[1], 1.0)
    change(copied_run, "rounds", "delay_s", pa.array(delay_s))

    difference = compare_runs(written_run, copied_run, WALL_CLOCK).difference

    assert difference is not None
    assert difference.startswith("rounds.delay_s, row 1 (round 2): ")


def test_a_tolerance_is_a_share_of_each_number(written_run: Path, copied_run: Path) -> None:
    delay_s = pq.read_table(copied_run / "rounds")["delay_s"].to_numpy().copy()
    delay_s[1] *= 1 + 1e-6
    change(copied_run, "rounds", "delay_s", pa.array(delay_s))

    results = [
        compare_runs(written_run, copied_run, WALL_CLOCK, relative=relative).difference
        for relative in (0.9e-6, 1.1e-6)
    ]

    assert results[0] is not None
    assert results[1] is None


def test_another_text_is_found(written_run: Path, copied_run: Path) -> None:
    legs = pq.read_table(copied_run / "transfers")["leg"].to_pylist()
    change(copied_run, "transfers", "leg", pa.array(["adapter", *legs[1:]]))

    difference = compare_runs(written_run, copied_run, WALL_CLOCK).difference

    assert difference == "transfers.leg, row 0 (round 1): 'embedding' before, 'adapter' after"


def test_a_renamed_leg_is_equal_to_its_new_name(copied_run: Path, tmp_path: Path) -> None:
    renamed_run = shutil.copytree(copied_run, tmp_path / "renamed")
    legs = pq.read_table(copied_run / "transfers")["leg"].to_pylist()
    change(copied_run, "transfers", "leg", pa.array(["symbols", *legs[1:]]))
    change(renamed_run, "transfers", "leg", pa.array(["payload", *legs[1:]]))

    assert compare_runs(copied_run, renamed_run, WALL_CLOCK).difference is None


def test_nan_equals_nan_and_null_equals_null_only(written_run: Path, copied_run: Path) -> None:
    losses = pa.array([None, float("nan"), 0.0])
    change(copied_run, "rounds", "train_loss", losses)
    other_run = shutil.copytree(copied_run, copied_run.parent / "other")
    assert compare_runs(copied_run, other_run, WALL_CLOCK).difference is None

    for other in ([float("nan"), float("nan"), 0.0], [None, None, 0.0], [None, float("nan"), -0.0]):
        change(other_run, "rounds", "train_loss", pa.array(other, pa.float64()))
        difference = compare_runs(copied_run, other_run, WALL_CLOCK).difference
        assert difference is not None
        assert difference.startswith("rounds.train_loss, row ")


def test_a_missing_row_is_found(written_run: Path, copied_run: Path) -> None:
    (path,) = (copied_run / "transfers").glob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, len(table) - 1), path)

    difference = compare_runs(written_run, copied_run, WALL_CLOCK).difference

    assert difference == f"transfers has {len(table)} rows before, {len(table) - 1} after"


def test_wall_clock_columns_may_differ(written_run: Path, copied_run: Path) -> None:
    change(copied_run, "rounds", "policy_wall_s", pa.array([9.0, 9.0, 9.0]))

    assert compare_runs(written_run, copied_run, WALL_CLOCK).difference is None
    assert compare_runs(written_run, copied_run, ()).difference is not None


def test_a_run_that_fails_on_one_side_is_a_difference(written_run: Path, tmp_path: Path) -> None:
    failed = tmp_path / "run"
    failed.with_suffix(".error").write_text("RunError: no device")

    difference = compare_runs(written_run, failed, WALL_CLOCK).difference

    assert difference == "before: runs; after: RunError: no device"


def test_every_scenario_is_compared_and_three_of_them_learn() -> None:
    names = [run["name"] for run in planned_runs(ROOT, "", learning=True, changes={})]

    assert [name for name in names if name.endswith("+learning")] == [
        "quickstart+learning",
        "protocols/split+learning",
        "protocols/fedavg_lora+learning",
    ]
    assert len(names) == len([*ROOT.glob("scenarios/**/*.toml")]) + 3


def test_a_side_is_a_directory_or_a_commit(tmp_path: Path) -> None:
    assert checkout(str(ROOT), tmp_path / "unused") == ROOT
    with pytest.raises(SystemExit, match="nonsense is neither a directory nor a commit"):
        checkout("nonsense", tmp_path / "unused")


def test_the_command_exits_1_at_a_planted_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces = compare_traces.write_traces

    def with_fault(root: Path, out: Path, runs: Sequence[Mapping[str, Any]]) -> None:
        write_traces(root, out, runs)
        if out.name == "after":
            change(out / "paper" / "base", "rounds", "arrived", pa.array([0] * 20))

    arguments = [str(ROOT), str(ROOT), "--only", "paper/base", "--no-learning"]
    assert compare_traces.main(arguments) == 0
    monkeypatch.setattr(compare_traces, "write_traces", with_fault)
    assert compare_traces.main(arguments) == 1

    printed = capsys.readouterr().out
    assert "DIFFERENT rounds.arrived, row 0 (round 1): " in printed
    assert "traces: 1 of 1 runs differ; 0 may" in printed
