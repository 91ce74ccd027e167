"""Interleaved timing, bound checks and exit status shared by all benchmarks.

A benchmark prints one line per bound and exits 1 if a bound is missed. ``--against DIR`` times the
workloads of a benchmark in this checkout and in another one, interleaved, instead.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from time import process_time
from typing import Any, Final, final

import simpy

ROOT: Final = Path(__file__).resolve().parent.parent
BASE: Final = ROOT / "scenarios" / "paper" / "base.toml"
SST2: Final = (
    Path(os.environ.get("AIRTUNE_DATA", ROOT.parent / "shared" / "data")) / "glue" / "sst2"
)
WORKLOADS: Final = Path(__file__).resolve().parent / "workloads.py"
MAXIMUM_AGAINST: Final = 1.05
"""Maximum ratio of the times of this checkout and another one."""
TIMEOUTS_PER_TICK: Final = 5_000
ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@final
class Report:
    """Printed results of a benchmark, and the exit status that follows from their bounds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._missed = 0

    def note(self, text: str) -> None:
        """Print a result that has no bound."""
        print(f"{self._name}: {text}", flush=True)

    def maximum(self, text: str, value: float, bound: float) -> None:
        """Print a result that must not exceed its bound."""
        self._bounded(text, value, f"maximum {bound:g}", value <= bound)

    def minimum(self, text: str, value: float, bound: float) -> None:
        """Print a result that must reach its bound."""
        self._bounded(text, value, f"minimum {bound:g}", value >= bound)

    def missing(self, text: str) -> None:
        """Print a reason why nothing was measured, which counts as a missed bound."""
        self._missed += 1
        self.note(text)

    @property
    def status(self) -> int:
        """Exit status: 1 if a bound was missed, otherwise 0."""
        return int(self._missed > 0)

    def _bounded(self, text: str, value: float, bound: str, holds: bool) -> None:
        self._missed += not holds
        number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        self.note(f"{text}: {number} ({bound}){'' if holds else ' MISSED'}")


@final
class TimeoutClock:
    """Processor time of raw SimPy timeouts, measured a few thousand at a time between other work.

    Whatever slows the machine down slows the timeouts and the work between them alike.
    """

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.timeouts = 0

    def tick(self) -> float:
        """Time ``TIMEOUTS_PER_TICK`` timeouts now; return the seconds per timeout."""

        def wait(env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
            for _ in range(TIMEOUTS_PER_TICK):
                yield env.timeout(1.0)

        env = simpy.Environment()
        start_s = process_time()
        env.run(env.process(wait(env)))
        taken_s = process_time() - start_s
        self.spent_s += taken_s
        self.timeouts += TIMEOUTS_PER_TICK
        return taken_s / TIMEOUTS_PER_TICK

    @property
    def timeout_s(self) -> float:
        """Mean processor time per timeout."""
        return self.spent_s / self.timeouts


def timed(work: Callable[[], object], clock: Callable[[], float] = process_time) -> float:
    """Return the seconds that some work takes."""
    start_s = clock()
    work()
    return clock() - start_s


def paired_ratios(
    ours: Callable[[int], float], theirs: Callable[[int], float], pairs: int
) -> list[float]:
    """Return the ratios of the times of neighbouring repetitions, either side first in turn.

    Both callables get the number of the pair and return seconds. The first pair is the warm-up and
    does not count.
    """
    ratios = []
    for number in range(pairs + 1):
        times = {}
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            times[side] = side(number)
        if number:
            ratios.append(times[ours] / times[theirs])
    return ratios


@final
class TimedCheckout:
    """A workload of one checkout in a process that stays warm between the repetitions.

    Raises:
        SystemExit: the process has another checkout's package, or ended.
    """

    def __init__(self, root: Path, workload: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WORKLOADS), workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("BENCH_VERBOSE") else None,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": str(root)},
            cwd=tempfile.gettempdir(),
            text=True,
        )
        self._root = root
        imported = self._answer()
        if imported != str(root):
            self.close()
            raise SystemExit(f"{root}: the package of {imported} was imported instead")

    def seconds(self, _: int) -> float:
        """Return the processor time of one more repetition."""
        assert self._process.stdin is not None, "opened as a pipe"
        print("repeat", file=self._process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> int:
        """End the process; return its exit status."""
        with self._process as process:
            assert process.stdin is not None, "opened as a pipe"
            process.stdin.close()
            return process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None, "opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(
                f"{self._root}: the workload failed with status {self.close()}; "
                "set BENCH_VERBOSE=1 to see its output"
            )
        return line.strip()


def against(report: Report, other: Path, workloads: Sequence[str], pairs: int) -> None:
    """Report the time of each workload in this checkout as a ratio to another checkout's time."""
    for workload in workloads:
        sides = [TimedCheckout(root.resolve(), workload) for root in (ROOT, other)]
        try:
            ratios = paired_ratios(sides[0].seconds, sides[1].seconds, pairs)
        finally:
            for side in sides:
                side.close()
        text = (
            f"time of {workload} relative to {other}, median of {pairs} pairs from "
            f"{min(ratios):.3f} to {max(ratios):.3f}"
        )
        report.maximum(text, statistics.median(ratios), MAXIMUM_AGAINST)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a command line with the options of every benchmark that compares checkouts."""
    options = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    options.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="time the same workloads in another checkout, interleaved, and print the ratio",
    )
    options.add_argument("--pairs", type=int, default=9, help="repetitions of --against")
    return options


def peak_memory_kb() -> int:
    """Return the peak memory of this process; ``ru_maxrss`` would include that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])
