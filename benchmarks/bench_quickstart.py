"""Wall time of the quickstart relative to another checkout: ``bench_quickstart.py DIR``.

Whole processes, start-up included, take turns; a first run of two rounds on each side fills the
caches of tokens, files and probes. The claim, on a processor with native bfloat16: at most 0.45 of
the time of the commit before ``precision`` and ``attention`` were ``auto``, with as many rows in
every table, and every column that the other side has.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import pyarrow.parquet as pq
import torch

from benchmarks import common
from benchmarks.common import ONE_THREAD, ROOT, Report, timed
from learner.precision import probe

COMMAND: Final = "from coupling.cli import main; raise SystemExit(main())"
MAXIMUM: Final = 0.45
PAIRS: Final = 5
SHORT: Final = 2
"""Rounds of the runs that fill the caches."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratio; return the exit status."""
    parser = common.parser(__doc__)
    parser.add_argument("other", type=Path, metavar="DIR", help="checkout to compare with")
    parser.add_argument("--rounds", type=int, help="rounds of each run, those of the file if none")
    parser.set_defaults(pairs=PAIRS)
    given = parser.parse_args(arguments)
    report = Report("quickstart")
    if probe.faster_precision(torch.device("cpu")) != "bfloat16":
        report.note("bfloat16 is not twice as fast here, not judged")
        return report.status
    ratios = []
    processor_ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(given.pairs + 1):
            seconds = {}
            spent_s = {}
            sides = (ROOT, given.other.resolve())
            for root in sides if pair % 2 else sides[::-1]:
                out = Path(folder) / f"{pair}-{sides.index(root)}"
                before_s = spent_by_children_s()
                seconds[root] = wall_s(root, out, rounds=given.rounds if pair else SHORT)
                spent_s[root] = spent_by_children_s() - before_s
            own, other = (shapes(Path(folder) / f"{pair}-{side}") for side in range(2))
            assert_contains(own, other)
            if pair:
                ratios.append(seconds[ROOT] / seconds[sides[1]])
                processor_ratios.append(spent_s[ROOT] / spent_s[sides[1]])
                report.note(f"pair {pair}: {ratios[-1]:.3f}, processor {processor_ratios[-1]:.3f}")
    report.note(f"processor time of the quickstart: {statistics.median(processor_ratios):.3f}")
    report.maximum("wall time of the quickstart", statistics.median(ratios), MAXIMUM)
    return report.status


def wall_s(root: Path, out: Path, *, rounds: int | None) -> float:
    """Return the seconds from the start to the end of a process that runs the quickstart."""
    scenario = str(root / "scenarios" / "quickstart.toml")
    changes = [] if rounds is None else ["--set", f"rounds={rounds}"]
    command = [sys.executable, "-P", "-c", COMMAND, "run", scenario, "--out", str(out), *changes]

    def run() -> None:
        subprocess.run(
            command,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": str(root)},
            cwd=out.parent,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return timed(run, perf_counter)


def spent_by_children_s() -> float:
    """Return the processor time of all ended processes that this one started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def shapes(run: Path) -> dict[str, tuple[int, set[str]]]:
    """Return the number of rows and the columns of each table of a run."""
    tables = {path.parent.name for path in run.glob("*/part-*.parquet")}
    read = {name: pq.read_table(run / name) for name in tables}
    return {name: (table.num_rows, set(table.column_names)) for name, table in read.items()}


def assert_contains(
    own: dict[str, tuple[int, set[str]]], other: dict[str, tuple[int, set[str]]]
) -> None:
    """Assert that a run has the rows and the columns of another one."""
    assert other, "the other side has written tables"
    for name, (rows, columns) in other.items():
        assert own[name][0] == rows, f"{name} has as many rows"
        assert columns <= own[name][1], f"{name} lacks {sorted(columns - own[name][1])}"


if __name__ == "__main__":
    sys.exit(main())
