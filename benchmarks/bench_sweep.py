"""How many times the runs per minute of one job two jobs make, on two cores.

The sweeps take turns with one job and with two, so that whatever else the machine does meets both.
Prints the median of the ratios of neighbours and fails below 1.6; the goal is 1.85.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # another file's name there would hide a package

from coupling.sweeps.engines import LocalEngine
from coupling.sweeps.engines.local import cores
from coupling.sweeps.grid import plan
from coupling.sweeps.sweep import Sweep

BASE = Path(__file__).resolve().parent.parent / "scenarios" / "paper" / "base.toml"
LIMIT, GOAL = 1.6, 1.85


def runs_per_minute(folder: Path, jobs: int, runs: int, rounds: int) -> float:
    """Return how many network-only runs a sweep finishes in a minute."""
    planned = plan(
        BASE, str(folder), {}, list(range(runs)), settings={"rounds": rounds}, learning=False
    )
    several = Sweep(planned, retry=False)
    began = time.perf_counter()
    several.run(LocalEngine(jobs), lambda: False, lambda _: None)
    took_s = time.perf_counter() - began
    assert [result.state for result in several.results] == ["finished"] * runs, "the work was done"
    return 60 * runs / took_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=4, help="runs of each sweep")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    if cores() < 2:
        print("sweep: needs two cores")
        return 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runs_per_minute(
            folder / "first", 2, 2, 2
        )  # starts the server from which workers are forked
        ratios, alone = [], 0.0
        for turn in range(given.turns):
            alone = runs_per_minute(folder / f"alone-{turn}", 1, given.runs, given.rounds)
            together = runs_per_minute(folder / f"together-{turn}", 2, given.runs, given.rounds)
            ratios.append(together / alone)
    ratio = statistics.median(ratios)
    load = os.getloadavg()[0]
    print(
        f"sweep: 2 jobs make {ratio:.2f} times the runs per minute of 1 job (limit {LIMIT}, goal {GOAL}); "
        f"{', '.join(f'{one:.2f}' for one in ratios)}; 1 job: {alone:.1f} runs/min; system load {load:.1f}"
    )
    return int(ratio < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
