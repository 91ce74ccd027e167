"""Cost of a network-only round as the number of devices grows, in ``np.argsort`` of as many floats.

K devices walk (random waypoint) through correlated fading of 8 waves; 20 of them are drawn to send
their split step in three legs, and only those are written. Then the same with devices that come and
go, memory, the payload sizes of the devices' minibatches of SST-2 (``payload_bit = "actual"``), the
path gains of 20 pedestrians under TR 38.901, and the paper's radio with 20 devices in raw SimPy
timeouts. Processor times after a warm-up round; the
reference is timed between the rounds.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, Final
from unittest import mock

import numpy as np
import pandas as pd

import coupling
from benchmarks import common
from benchmarks.common import BASE, ROOT, SST2, Report, TimeoutClock, peak_memory_kb, timed
from benchmarks.learning.subjects import settings_of
from benchmarks.workloads import CROWD, PHASED
from learner.split_learner import build
from netsim.channel.pathloss import LatticeGain
from netsim.streams import Streams

WALKING: Final = ROOT / "scenarios" / "mobility" / "pedestrians.toml"
COUNTS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
MAXIMUM_ARGSORTS: Final = 20
MAXIMUM_AVAILABILITY: Final = 1.5
MAXIMUM_BYTES: Final = 400
MAXIMUM_TIMEOUTS: Final = 1_500
MAXIMUM_GROWTH: Final = 1.0
SENDERS: Final = 100_000
SHARES: Final = (0.001, 0.05)
MAXIMUM_SIZES_S: Final = 0.2
MAXIMUM_SIZES: Final = 0.1
MAXIMUM_LARGE_SCALE_S: Final = 1e-3
COMING_AND_GOING: Final[Mapping[str, object]] = {
    "devices.availability": {"kind": "markov", "mean_on_s": 600.0, "mean_off_s": 300.0},
    "devices.battery": {"capacity_j": 1000.0, "initial": [0.1, 1.0], "recharge_w": 0.01},
}


def round_cost(scenario: coupling.Scenario, unit: Callable[[], float]) -> tuple[float, float]:
    """Run a scenario; return the median seconds per round after the first, and those per unit."""
    rounds: list[float] = []
    units: list[float] = []
    mark = process_time()

    def between(_: object) -> None:
        nonlocal mark
        rounds.append(process_time() - mark)
        units.append(unit())
        mark = process_time()

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        coupling.run(scenario, run, learning=False, on_round=between)
        sent = pd.read_parquet(run / "transfers", columns=["round"])["round"].nunique()
        assert sent == scenario.rounds, "a round without transfers would show nothing"
    return float(np.median(rounds[1:])), float(np.median(units))


def argsort_of(count: int) -> Callable[[], float]:
    """Return a timer of ``np.argsort`` of ``count`` floats."""
    values = np.random.Generator(np.random.Philox(1)).random(count)
    repeats = max(1, 100_000 // count)

    def sort() -> None:
        for _ in range(repeats):
            np.argsort(values)

    return lambda: timed(sort) / repeats


def crowd(count: int, overrides: Mapping[str, object] | None = None) -> coupling.Scenario:
    """Return the world of ``count`` walking devices."""
    sizes = {"devices.count": count, "rounds": 8}
    return coupling.Scenario.load(BASE, {**CROWD, **(overrides or {}), **sizes})


def peak_bytes(count: int) -> int:
    """Return the peak memory of a process that runs the crowd, in bytes."""
    command = [sys.executable, __file__, "--peak", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024


def run_for_peak(count: int) -> int:
    """Run the crowd and print the peak memory of this process in kB."""
    with tempfile.TemporaryDirectory() as folder:
        coupling.run(crowd(count), Path(folder) / "run", learning=False)
    print(peak_memory_kb())
    return 0


def measure(report: Report) -> None:
    """Report the ratios of all numbers of devices."""
    costs_s = []
    ratio = np.nan
    for count in COUNTS:
        round_s, argsort_s = round_cost(crowd(count), argsort_of(count))
        costs_s.append(round_s)
        ratio = round_s / argsort_s
        report.note(f"K = {count:,}: a round costs {ratio:,.1f} times np.argsort of K floats")
    few, many = COUNTS[-2:]
    report.maximum(f"np.argsort of K floats per round, K = {many:,}", ratio, MAXIMUM_ARGSORTS)
    coming_s, _ = round_cost(crowd(many, COMING_AND_GOING), argsort_of(many))
    report.maximum(
        f"cost with devices that come and go and batteries, relative, K = {many:,}",
        coming_s / costs_s[-1],
        MAXIMUM_AVAILABILITY,
    )
    growth = costs_s[-1] / costs_s[-2] / (many / few)
    report.maximum(f"growth of the cost over K from {few:,} to {many:,}", growth, MAXIMUM_GROWTH)
    device_bytes = (peak_bytes(many) - peak_bytes(COUNTS[0])) / many
    report.maximum(f"bytes per device, K = {many:,}", device_bytes, MAXIMUM_BYTES)
    small = {**PHASED, "rounds": 500, "scheduler.kind": "all_in"}
    round_s, timeout_s = round_cost(coupling.Scenario.load(BASE, small), TimeoutClock().tick)
    report.maximum(
        "SimPy timeouts per phased round, K = 20, all scheduled",
        round_s / timeout_s,
        MAXIMUM_TIMEOUTS,
    )
    payload_sizes(report)
    large_scale(report)


def large_scale(report: Report) -> None:
    """Report the time per round of the path gains of moving devices under TR 38.901."""
    scenario = coupling.Scenario.load(WALKING, {"rounds": 100})
    spent_s = 0.0
    rounds: list[float] = []
    at = LatticeGain.at

    def timed_at(*arguments: Any) -> Any:
        nonlocal spent_s
        start_s = process_time()
        gain = at(*arguments)
        spent_s += process_time() - start_s
        return gain

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(LatticeGain, "at", timed_at):
        run = Path(folder) / "run"
        coupling.run(scenario, run, learning=False, on_round=lambda _: rounds.append(spent_s))
    costs_s = np.diff(rounds)
    assert (costs_s > 0).all(), "every round asks for path gains"
    text = f"path gains of {scenario.devices.count} pedestrians under TR 38.901, s per round"
    report.maximum(f"{text}, mean", float(costs_s.mean()), MAXIMUM_LARGE_SCALE_S)


def payload_sizes(report: Report) -> None:
    """Report the time per round of the bits of 100,000 minibatches from shares that overlap."""
    if not SST2.is_dir():
        report.missing(f"no SST-2 in {SST2}; set AIRTUNE_DATA")
        return
    streams = Streams(1)
    for share in SHARES:
        data = {"path": str(SST2), "test_size": 50, "share": share, "overlap": True}
        learner = build(settings_of(batch_size=8, data=data), SENDERS, streams.generator)
        first = learner.leg_bits_of_all(SENDERS, 1, streams.subsets)["embedding"]
        sample = range(0, SENDERS, SENDERS // 100)
        alone = [learner.leg_bits(device, 1)["embedding"] for device in sample]
        assert first[sample].tolist() == alone, "payloads of other minibatches"
        rounds_s = []
        alone_s = []
        for round_number in range(2, 9):
            together = partial(learner.leg_bits_of_all, SENDERS, round_number, streams.subsets)
            rounds_s.append(timed(together))
            each = [partial(learner.leg_bits, device, round_number) for device in sample]
            alone_s.append(sum(map(timed, each)) / len(each) * SENDERS)
        text = f"payload sizes of {SENDERS:,} devices with {share:g} of SST-2"
        report.maximum(f"{text}, s", float(np.median(rounds_s)), MAXIMUM_SIZES_S)
        report.maximum(
            f"{text}, relative to one after another",
            float(np.median(rounds_s) / np.median(alone_s)),
            MAXIMUM_SIZES,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; return the exit status."""
    parser = common.parser(__doc__)
    parser.add_argument("--peak", type=int, metavar="K", help="only run K devices, print memory")
    given = parser.parse_args(arguments)
    if given.peak:
        return run_for_peak(given.peak)
    report = Report("scale")
    if given.against:
        common.against(report, given.against, ["scale"], given.pairs)
    else:
        measure(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
