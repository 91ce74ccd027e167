"""Parallel speed-up of a sweep: runs per minute of two jobs relative to one, on two cores.

The sweeps take turns with one job and with two, so that other work on the machine slows both down.
The bound holds for the median of the ratios of neighbours; the goal is 1.85.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks import common
from benchmarks.common import BASE, Report, timed
from coupling.sweeps.engines import LocalEngine
from coupling.sweeps.engines.local import cores
from coupling.sweeps.grid import plan
from coupling.sweeps.sweep import Sweep

MINIMUM_SPEEDUP: Final = 1.6


def runs_per_minute(folder: Path, jobs: int, runs: int, rounds: int) -> float:
    """Return the number of network-only runs that a sweep finishes per minute."""
    settings = {"rounds": rounds}
    seeds = [*range(runs)]
    planned = plan(BASE, str(folder), {}, seeds, settings=settings, learning=False)
    sweep = Sweep(planned, retry=False)
    engine = LocalEngine(jobs)
    taken_s = timed(lambda: sweep.run(engine, lambda: False, lambda _: None), perf_counter)
    assert [result.state for result in sweep.results] == ["finished"] * runs, "the work was done"
    return 60 * runs / taken_s


def measure(report: Report, runs: int, rounds: int, turns: int) -> None:
    """Report the speed-up of a sweep of some runs."""
    if cores() < 2:
        report.missing("needs two cores")
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The first sweep starts the server from which workers are forked.
        runs_per_minute(folder / "first", 2, runs=2, rounds=2)
        ratios = []
        alone = 0.0
        for turn in range(turns):
            alone = runs_per_minute(folder / f"alone-{turn}", 1, runs=runs, rounds=rounds)
            together = runs_per_minute(folder / f"together-{turn}", 2, runs=runs, rounds=rounds)
            ratios.append(together / alone)
    report.note(f"1 job: {alone:.1f} runs per minute; system load {os.getloadavg()[0]:.1f}")
    text = f"speed-up of 2 jobs, median of {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    report.minimum(text, statistics.median(ratios), MINIMUM_SPEEDUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; return the exit status."""
    parser = common.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=4, help="runs per sweep")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args(arguments)
    report = Report("sweep")
    if given.against:
        common.against(report, given.against, ["sweep"], given.pairs)
    else:
        measure(report, given.runs, rounds=given.rounds, turns=given.turns)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
