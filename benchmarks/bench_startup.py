"""Cost of starting the command line, relative to the import of the packages that it is built on.

Prints the ratios of the processor times of ``airtune --help``, and of a network-only run of ten
rounds, to ``import numpy, pandas, pyarrow, simpy``; the three take turns.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.common import BASE, ONE_THREAD, ROOT, Report

TURNS: Final = 9
IMPORTS: Final = "import numpy, pandas, pyarrow, simpy"
COMMAND: Final = "from coupling.cli import main; raise SystemExit(main())"
MAXIMUM_HELP: Final = 0.9
MAXIMUM_RUN: Final = 2.1


def processor_s(arguments: Sequence[str]) -> float:
    """Return the processor time of a command of Python, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", *arguments],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Run the benchmark and return its exit status."""
    report = Report("startup")
    times: dict[str, list[float]] = {"imports": [], "help": [], "run": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS + 1):
            out = str(Path(folder) / f"run-{turn}")
            network = ["run", str(BASE), "--no-learning", "--set", "rounds=10", "--out", out]
            for name, arguments in (
                ("imports", [IMPORTS]),
                ("help", [COMMAND, "--help"]),
                ("run", [COMMAND, *network]),
            ):
                spent_s = processor_s(arguments)
                # The first turn fills the caches of compiled modules and of files.
                if turn:
                    times[name].append(spent_s)
    unit = statistics.median(times["imports"])
    report.maximum("airtune --help", statistics.median(times["help"]) / unit, MAXIMUM_HELP)
    report.maximum("a run of ten rounds", statistics.median(times["run"]) / unit, MAXIMUM_RUN)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
