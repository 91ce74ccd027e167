"""What a network-only round costs as the number of devices grows, against ``np.argsort`` of as many
floats.

K devices walk (random waypoint) through correlated fading of 8 waves; 20 of them are drawn to send
their split step in three legs, and only those are written. Then the same with devices that come and
go, memory, and the paper's radio with 20 devices in raw SimPy timeouts. CPU times after a warm-up
round; what a round is compared with is timed between the rounds.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from time import process_time
from typing import Any

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # another file's name there would hide a package

import numpy as np
import simpy
from coupling.simulation.round_loop import RoundReport

import coupling

BASE = Path(__file__).resolve().parent.parent / "scenarios" / "paper" / "base.toml"
COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)
SCHEDULED = 20
MOST_ARGSORTS = 20
MOST_AVAILABILITY = 1.5
MOST_BYTES = 400
MOST_TIMEOUTS = 2_500
TIMEOUTS_AT_ONCE = 5_000

PHASED: dict[str, object] = {
    "cell.downlink_bandwidth_hz": 10e6,
    "cell.server_tx_power_w": 20.0,
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 5e6, "feature": 1e5, "gradient": 1e5},
    },
}
CROWD: dict[str, object] = PHASED | {
    "scheduler": {"kind": "random", "count": SCHEDULED, "delay_budget_s": 10.0},
    "devices.placement": {"kind": "disc", "center_m": [300.0, 0.0], "radius_m": 50.0},
    "devices.mobility": {"kind": "random_waypoint", "speed_mps": [0.5, 2.0]},
    "channel.fading": {"kind": "rayleigh", "correlation": {"carrier_hz": 2e9, "waves": 8}},
    "channel.coherence": 0.05,
    # At the paper's noise a device drawn in a deep fade would hold everybody up for days of
    # simulated time.
    "cell.noise_psd_w_per_hz": 1e-16,
    "trace.devices": "scheduled",
}


def round_cost(scenario: coupling.Scenario, unit: Callable[[], float]) -> tuple[float, float]:
    """Run a scenario; return the median CPU seconds of a round after the first, and those of the
    unit between.
    """
    rounds: list[float] = []
    units: list[float] = []
    mark = process_time()

    def between(report: RoundReport) -> None:
        nonlocal mark
        if report.round > 1:
            rounds.append(process_time() - mark)
        assert report.scheduled > 0, "a round without transfers would show nothing"
        units.append(unit())
        mark = process_time()

    with tempfile.TemporaryDirectory() as folder:
        coupling.run(scenario, Path(folder) / "run", learning=False, on_round=between)
    return float(np.median(rounds)), float(np.median(units))


def argsort_of(count: int) -> Callable[[], float]:
    """Return a timer of ``np.argsort`` of ``count`` floats."""
    values = np.random.Generator(np.random.Philox(1)).random(count)

    def time_it() -> float:
        repeats = max(1, 100_000 // count)
        start = process_time()
        for _ in range(repeats):
            np.argsort(values)
        return (process_time() - start) / repeats

    return time_it


def timeouts() -> float:
    """Return the CPU seconds of one raw SimPy timeout."""

    def wait(env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
        for _ in range(TIMEOUTS_AT_ONCE):
            yield env.timeout(1.0)

    env = simpy.Environment()
    start = process_time()
    env.run(env.process(wait(env)))
    return (process_time() - start) / TIMEOUTS_AT_ONCE


def crowd(count: int) -> coupling.Scenario:
    """Return the world of ``count`` walking devices."""
    return coupling.Scenario.load(BASE, CROWD | {"devices.count": count, "rounds": 8})


def coming_and_going(count: int) -> coupling.Scenario:
    """Return the same world with devices of which one in three is away, and batteries in all of
    them.
    """
    more = {
        "devices.availability": {"kind": "markov", "mean_on_s": 600.0, "mean_off_s": 300.0},
        "devices.battery": {"capacity_j": 1000.0, "initial": [0.1, 1.0], "recharge_w": 0.01},
    }
    return coupling.Scenario.load(BASE, CROWD | more | {"devices.count": count, "rounds": 8})


def peak_bytes(count: int) -> int:
    """Return the peak memory of a process that runs the crowd, in bytes."""
    command = [sys.executable, __file__, "peak", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def peak_of_this_process() -> int:
    """Return the peak memory of this process in bytes; unlike ``ru_maxrss`` not that of its
    parent.
    """
    status = Path("/proc/self/status").read_text()
    return (
        int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
        * 1024
    )


def main() -> int:
    """Print the ratios; return 1 if a bound is missed."""
    missed = False
    costs = []
    for count in COUNTS:
        round_s, argsort_s = round_cost(crowd(count), argsort_of(count))
        costs.append(round_s)
        ratio = round_s / argsort_s
        bound = f" (at most {MOST_ARGSORTS})" if count == COUNTS[-1] else ""
        print(f"K = {count:>9,}: a round costs {ratio:,.1f} times np.argsort of K floats{bound}")
    missed |= ratio > MOST_ARGSORTS
    coming_s, _ = round_cost(coming_and_going(COUNTS[-1]), argsort_of(COUNTS[-1]))
    print(
        f"K = {COUNTS[-1]:,}: with devices that come and go and batteries a round costs "
        f"{coming_s / costs[-1]:.2f} times as much (at most {MOST_AVAILABILITY:g})"
    )
    missed |= coming_s > MOST_AVAILABILITY * costs[-1]
    growth = costs[-1] / costs[-2] / (COUNTS[-1] / COUNTS[-2])
    print(
        f"from K = {COUNTS[-2]:,} to {COUNTS[-1]:,} the cost grows {growth:.2f} times as fast as K (at most 1)"
    )
    missed |= growth > 1
    bytes_each = (peak_bytes(COUNTS[-1]) - peak_bytes(COUNTS[0])) / COUNTS[-1]
    print(f"K = {COUNTS[-1]:,}: {bytes_each:.0f} bytes a device (at most {MOST_BYTES})")
    missed |= bytes_each > MOST_BYTES
    small = PHASED | {"rounds": 500, "scheduler.kind": "all_in"}
    round_s, timeout_s = round_cost(coupling.Scenario.load(BASE, small), timeouts)
    ratio = round_s / timeout_s
    print(
        f"K = 20, all scheduled: a phased round costs {ratio:,.0f} raw SimPy timeouts (at most {MOST_TIMEOUTS:,})"
    )
    missed |= ratio > MOST_TIMEOUTS
    return int(missed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        with tempfile.TemporaryDirectory() as scratch:
            coupling.run(crowd(int(sys.argv[2])), Path(scratch) / "run", learning=False)
        print(peak_of_this_process())
    else:
        sys.exit(main())
