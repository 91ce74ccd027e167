"""Statistics of a run of four rounds, computed by hand."""

from pathlib import Path

import numpy as np
import pytest
from support.written_runs import four_rounds, write_run

import analysis
from coupling.run_directory import schema


@pytest.fixture
def run(tmp_path: Path) -> analysis.Run:
    return analysis.load(four_rounds(tmp_path / "run"))


def test_participation_counts_each_device(run: analysis.Run) -> None:
    result = analysis.participation(run)

    assert result.device.tolist() == [0, 1, 2]
    assert result.times.tolist() == [3, 1, 0]
    assert result.share.tolist() == [0.75, 0.25, 0.0]


def test_jain_index_by_hand(run: analysis.Run) -> None:
    assert analysis.summary(run)["jain_fairness"] == pytest.approx((3 + 1) ** 2 / (3 * (9 + 1)))
    assert analysis.jain(np.array([2, 2, 2])) == 1.0
    assert analysis.jain(np.array([0, 5, 0, 0])) == 0.25
    assert analysis.jain(np.zeros(4)) is None


def test_delay_statistics_count_rounds_without_devices(run: analysis.Run) -> None:
    result = analysis.delay_statistics(run)

    assert result["mean_s"] == 1.5
    assert result["median_s"] == 1.5
    assert result["max_s"] == 3.0
    assert result["over_budget"] == 0.25  # round 2 alone took more than 2 s
    assert result["mean_per_budget"] == 0.75


def test_queue_statistics_by_hand(run: analysis.Run) -> None:
    result = analysis.queue_statistics(run)

    assert result == {
        "mean_s": 0.5,
        "max_s": 1.0,
        "end_s": 0.0,
        "positive": 0.5,
        "end_per_budget": 0.0,
    }


@pytest.mark.parametrize(
    ("accuracy", "rounds", "time_s", "air_time_s", "bits", "energy_j"),
    [
        (0.5, 0, 0.0, 0.0, 0, 0.0),
        (0.6, 2, 4.0, 4.0, 3000, 6.0),
        (0.75, 4, 8.0, 6.0, 4000, 8.0),
        (0.9, None, None, None, None, None),
    ],
)
def test_costs_of_reaching_an_accuracy(
    run: analysis.Run,
    accuracy: float,
    rounds: int | None,
    time_s: float | None,
    air_time_s: float | None,
    bits: int | None,
    energy_j: float | None,
) -> None:
    assert analysis.rounds_to_accuracy(run, accuracy) == rounds
    assert analysis.time_to_accuracy(run, accuracy) == time_s
    assert analysis.air_time_to_accuracy(run, accuracy) == air_time_s
    assert analysis.bits_to_accuracy(run, accuracy) == bits
    assert analysis.energy_to_accuracy(run, accuracy) == energy_j


def test_a_run_without_evaluations_reaches_nothing(tmp_path: Path) -> None:
    run = analysis.load(write_run(tmp_path / "run", {"rounds": {"round": [1]}}))

    assert analysis.time_to_accuracy(run, 0.1) is None
    assert analysis.energy_to_accuracy(run, 0.1) is None


def test_a_run_without_a_complete_round_has_no_summary(tmp_path: Path) -> None:
    run = analysis.load(write_run(tmp_path / "run", {}))

    with pytest.raises(analysis.TraceError, match="has no complete round; continue the run with"):
        analysis.summary(run)


def test_columns_and_rounds_are_selectable(tmp_path: Path) -> None:
    folder = four_rounds(tmp_path / "run")
    run = analysis.load(folder, columns={"devices": ["device", "scheduled"]}, rounds=(2, 3))

    assert run.rounds["round"].tolist() == [2, 3]
    assert list(run.devices.columns) == ["device", "scheduled"]
    assert len(run.devices) == 6
    assert run.table("rounds", ["energy_j"], (3, 3)).energy_j.tolist() == [2.0]


def test_parts_without_wanted_rounds_are_not_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", {"rounds": {"round": [1, 2, 3, 4]}}, parts=4)
    for number in (0, 3):
        damaged = folder / "rounds" / f"part-{number:06d}.parquet"
        content = bytearray(damaged.read_bytes())
        content[4:20] = bytes(
            16
        )  # the first data page of rounds 1 and 4; the footers stay readable
        damaged.write_bytes(content)

    assert analysis.load(folder, rounds=(2, 3)).rounds["round"].tolist() == [2, 3]
    with pytest.raises(analysis.TraceError, match=r"part-000000\.parquet: is damaged"):
        _ = analysis.load(folder).rounds


def test_a_column_that_is_not_there_is_named(run: analysis.Run) -> None:
    with pytest.raises(
        analysis.TraceError, match=r"rounds has no column 'jitter_s'; it has round, start_s"
    ):
        run.table("rounds", ["jitter_s"])


def test_a_part_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    folder = four_rounds(tmp_path / "run")
    (tmp_path / "newer").mkdir()
    newer = write_run(tmp_path / "newer" / "run", {"rounds": {"round": [5]}}, schema_version="99")
    (newer / "rounds" / "part-000000.parquet").rename(folder / "rounds" / "part-000001.parquet")

    with pytest.raises(
        analysis.TraceError, match=r"has schema 99, this version reads .*; read it with"
    ):
        _ = analysis.load(folder).rounds


def test_reader_and_writer_mean_the_same_schema() -> None:
    assert analysis.SCHEMA_VERSION == schema.SCHEMA_VERSION
