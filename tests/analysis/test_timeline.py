"""Timeline: slices, counters and tracks of the Chrome trace format."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.written_runs import four_rounds, write_run

import analysis
from analysis.timeline import timeline

Events = list[dict[str, Any]]


def slices(events: Events, process: int) -> list[tuple[int, str, float, float]]:
    """Return track, name, start and duration in seconds of the slices of a process."""
    result = [entry for entry in events if entry["ph"] == "X" and entry["pid"] == process]
    return [
        (entry["tid"], entry["name"], entry["ts"] / 1e6, entry["dur"] / 1e6) for entry in result
    ]


def phased(folder: Path) -> analysis.Run:
    """Return one round of two devices: 0 completes all legs, 1 loses its embedding twice."""
    rounds = {
        "round": [1],
        "start_s": [10.0],
        "end_s": [30.0],
        "scheduled": [2],
        "arrived": [1],
        "virtual_queue_before_s": [0.5],
        "virtual_queue_s": [1.5],
    }
    transfers = {
        "round": [1] * 5,
        "device": [1, 0, 0, 0, 1],
        "leg": ["embedding", "embedding", "feature", "gradient", "embedding"],
        "direction": ["uplink", "uplink", "downlink", "uplink", "uplink"],
        "start_s": [11.0, 12.0, 17.0, 21.0, 15.0],
        "end_s": [14.0, 15.0, 20.0, 26.0, 18.0],
        "bits": [8, 8, 9, 7, 8],
        "bits_delivered": [5, 8, 9, 7, 3],
        "status": ["lost", "delivered", "delivered", "delivered", "lost"],
    }
    return analysis.load(write_run(folder, {"rounds": rounds, "transfers": transfers}))


def test_a_device_has_its_legs_and_the_computing_between_them(tmp_path: Path) -> None:
    events = timeline(phased(tmp_path / "run"))["traceEvents"]

    assert [entry for entry in slices(events, 2) if entry[0] == 0] == [
        (0, "compute embedding", 10.0, 2.0),
        (0, "embedding", 12.0, 3.0),
        (0, "feature", 17.0, 3.0),
        (0, "compute gradient", 20.0, 1.0),
        (0, "gradient", 21.0, 5.0),
    ]


def test_local_steps_stand_between_the_adapters(tmp_path: Path) -> None:
    transfers = {
        "round": [1, 1, 1],
        "device": [0, 0, 1],
        "leg": ["adapter"] * 3,
        "direction": ["downlink", "uplink", "uplink"],
        "start_s": [10.0, 17.0, 12.0],
        "end_s": [13.0, 20.0, 20.0],
        "status": ["delivered"] * 3,
    }
    rounds = {"round": [1], "start_s": [10.0], "end_s": [20.0]}
    run = analysis.load(write_run(tmp_path / "run", {"rounds": rounds, "transfers": transfers}))

    assert slices(timeline(run)["traceEvents"], 2) == [
        (0, "adapter", 10.0, 3.0),
        (0, "compute adapter", 13.0, 4.0),
        (0, "adapter", 17.0, 3.0),
        (1, "compute adapter", 10.0, 2.0),
        (1, "adapter", 12.0, 8.0),
    ]


def test_a_leg_of_any_name_has_its_slice_and_the_computing_before_it(tmp_path: Path) -> None:
    transfers = {
        "round": [1] * 4,
        "device": [0] * 4,
        "leg": ["question", "answer", "verdict", "receipt"],
        "direction": ["uplink", "downlink", "uplink", "downlink"],
        "start_s": [1.0, 3.0, 6.0, 10.0],
        "end_s": [2.0, 4.0, 8.0, 11.0],
        "status": ["delivered"] * 4,
    }
    rounds = {"round": [1], "start_s": [0.0], "end_s": [12.5], "arrived": [1]}
    run = analysis.load(write_run(tmp_path / "run", {"rounds": rounds, "transfers": transfers}))

    events = timeline(run)["traceEvents"]

    assert slices(events, 2) == [
        (0, "compute question", 0.0, 1.0),
        (0, "question", 1.0, 1.0),
        (0, "answer", 3.0, 1.0),
        (0, "compute verdict", 4.0, 2.0),
        (0, "verdict", 6.0, 2.0),
        (0, "receipt", 10.0, 1.0),
    ]
    server = [(entry["name"], entry["ts"] / 1e6) for entry in events if entry["ph"] in "be"]
    assert server == [
        ("wait and compute answer (device 0)", 2.0),
        ("wait and compute answer (device 0)", 3.0),
        ("wait and compute receipt (device 0)", 8.0),
        ("wait and compute receipt (device 0)", 10.0),
    ]
    assert slices(events, 3) == [(0, "server step", 11.0, 1.5)]


def test_a_lost_leg_says_so_and_nothing_is_computed_after_it(tmp_path: Path) -> None:
    events = timeline(phased(tmp_path / "run"))["traceEvents"]

    assert [entry for entry in slices(events, 2) if entry[0] == 1] == [
        (1, "compute embedding", 10.0, 1.0),
        (1, "embedding (lost)", 11.0, 3.0),
        (1, "embedding (lost)", 15.0, 3.0),
    ]
    lost = next(entry for entry in events if entry["name"] == "embedding (lost)")
    assert (lost["args"]["bits"], lost["args"]["bits_delivered"]) == (8, 5)


def test_the_server_computes_the_feature_and_ends_the_round(tmp_path: Path) -> None:
    events = timeline(phased(tmp_path / "run"))["traceEvents"]

    encode = [
        (entry["ph"], entry["ts"] / 1e6, entry["id"]) for entry in events if entry["ph"] in "be"
    ]
    assert encode == [("b", 15.0, 0), ("e", 17.0, 0)]
    names = {entry["name"] for entry in events if entry["ph"] == "b"}
    assert names == {"wait and compute feature (device 0)"}
    assert slices(events, 3) == [(0, "server step", 26.0, 4.0)]


def test_rounds_are_slices_and_queue_and_n_are_counters(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run"))

    events = timeline(run, (2, 3))["traceEvents"]

    assert slices(events, 1) == [(0, "round 2", 1.0, 3.0), (0, "round 3", 4.0, 2.0)]
    counters = [
        (entry["name"], entry["ts"] / 1e6, *entry["args"].values())
        for entry in events
        if entry["ph"] == "C"
    ]
    assert ("devices scheduled", 1.0, 2) in counters
    assert ("virtual queue (s)", 4.0, 1.0) in counters
    assert ("virtual queue (s)", 6.0, 1.0) in counters  # after the last round shown


def test_slices_of_a_track_do_not_overlap_and_tracks_are_named(tmp_path: Path) -> None:
    events = timeline(phased(tmp_path / "run"))["traceEvents"]

    named = {(entry["pid"], entry["tid"]) for entry in events if entry["name"] == "thread_name"}
    tracks = {(entry["pid"], entry["tid"]) for entry in events if entry["ph"] == "X"}
    assert tracks <= named
    for pid, tid in tracks:
        spans = sorted(
            (entry["ts"], entry["ts"] + entry["dur"])
            for entry in events
            if entry["ph"] == "X" and (entry["pid"], entry["tid"]) == (pid, tid)
        )
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_rounds_that_a_run_lacks_are_refused(tmp_path: Path) -> None:
    run = analysis.load(four_rounds(tmp_path / "run"))

    with pytest.raises(analysis.TraceError, match="does not have any of the rounds 7 to 9"):
        timeline(run, (7, 9))


def test_a_run_without_scheduled_devices_has_its_rounds(tmp_path: Path) -> None:
    run = analysis.load(
        write_run(tmp_path / "run", {"rounds": {"round": [1, 2], "end_s": [1.0, 2.0]}})
    )

    events = timeline(run)["traceEvents"]

    assert [name for _, name, _, _ in slices(events, 1)] == ["round 1", "round 2"]
    assert slices(events, 2) == []
