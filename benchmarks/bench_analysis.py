"""Cost of loading and summarising 100 runs, relative to pyarrow for the same columns.

The runs have 5,000 rounds and 20 devices: one is simulated without learning, 99 are its copies.
"""

import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import pyarrow.parquet as pq

import analysis
import coupling
from benchmarks.common import BASE, Report, timed

RUNS: Final = 100
REPEATS: Final = 5
COLUMNS: Final = {
    "rounds": ["scheduled", "delay_s", "delay_budget_s", "virtual_queue_s", "energy_j", "end_s"],
    "devices": ["device", "scheduled"],
    "evaluations": ["accuracy"],
}
MAXIMUM_RATIO: Final = 2.0
MAXIMUM_MEMORY_GB: Final = 1.0


def write_runs(folder: Path) -> list[Path]:
    """Return 100 run directories with the same tables."""
    overrides = {"rounds": 5000, "devices.count": 20, "scheduler.queue_initial_budgets": 5}
    first = folder / "run-000"
    coupling.run(coupling.Scenario.load(BASE, overrides), first, learning=False)
    copies = [shutil.copytree(first, folder / f"run-{number:03d}") for number in range(1, RUNS)]
    return [first, *copies]


def summarise(runs: Sequence[Path]) -> None:
    """Load and summarise all runs."""
    summaries = analysis.summaries(analysis.load_many(runs))
    assert len(summaries) == RUNS, "every run is summarised"
    assert (summaries.rounds == 5000).all(), "every round is read"
    assert summaries.jain_fairness.between(0.5, 1).all(), "the devices are read"


def read(runs: Sequence[Path]) -> None:
    """Read the same columns with pyarrow alone."""
    rows = 0
    for run in runs:
        for table, columns in COLUMNS.items():
            for part in sorted((run / table).glob("part-*.parquet")):
                rows += pq.read_table(part, columns=columns).num_rows
    assert rows == RUNS * 5000 * 21, "every row is read"


def main() -> int:
    """Print the ratio and the peak memory; return the exit status."""
    report = Report("analysis")
    with tempfile.TemporaryDirectory() as folder:
        runs = write_runs(Path(folder))
        ours_s = []
        theirs_s = []
        for _ in range(REPEATS):
            ours_s.append(timed(lambda: summarise(runs), perf_counter))
            theirs_s.append(timed(lambda: read(runs), perf_counter))
    # The minimum of each: other work on the machine is not part of the comparison.
    text = f"time over pyarrow's, {min(ours_s):.2f} s for {RUNS} runs"
    report.maximum(text, min(ours_s) / min(theirs_s), MAXIMUM_RATIO)
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    report.maximum("peak memory in GB", memory_gb, MAXIMUM_MEMORY_GB)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
