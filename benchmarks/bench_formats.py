"""Accuracy of the quickstart in bfloat16 less that in float32, over paired seeds.

Claims: the 95 % interval of the mean difference (Student's t) includes 0 and is narrower than two
points. Both formats compute with plain attention. A seed's runs take minutes each; ``--runs DIR``
keeps them, and resumes those that are there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

import analysis
from analysis.intervals.limits import student
from benchmarks import common
from benchmarks.common import ONE_THREAD, ROOT, Report

COMMAND: Final = "from coupling.cli import main; raise SystemExit(main())"
FORMATS: Final = ("float32", "bfloat16")
SEEDS: Final = 10
MAXIMUM_WIDTH: Final = 0.02


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the interval; return the exit status."""
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--runs", type=Path, metavar="DIR")
    given = parser.parse_args(arguments)
    report = Report("formats")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.runs or Path(temporary)
        accuracies = [
            [final_accuracy(folder / f"{name}-{seed}", name, seed) for name in FORMATS]
            for seed in range(1, given.seeds + 1)
        ]
    judge(report, np.array(accuracies))
    return report.status


def judge(report: Report, accuracies: np.ndarray) -> None:
    """Report the interval of the second column less the first, one row per seed."""
    mean, low, high = map(float, student(accuracies[:, 1] - accuracies[:, 0]))
    text = f"{len(accuracies)} seeds, difference of accuracies"
    report.note(f"{text}: {mean:.5f} ({low:.5f} to {high:.5f})")
    report.maximum(f"{text}, its lower end", low, 0.0)
    report.minimum(f"{text}, its upper end", high, 0.0)
    report.maximum(f"{text}, width", high - low, MAXIMUM_WIDTH)


def final_accuracy(out: Path, precision: str, seed: int) -> float:
    """Return the accuracy at the last evaluation of a quickstart, run if it is not there."""
    changes = {"seed": seed, "learner.precision": precision, "learner.attention": "plain"}
    new = ["run", str(ROOT / "scenarios" / "quickstart.toml"), "--out", str(out)]
    new += [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    subprocess.run(
        [sys.executable, "-P", "-c", COMMAND, *(["resume", str(out)] if out.exists() else new)],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return float(analysis.load(out).evaluations["accuracy"].iloc[-1])


if __name__ == "__main__":
    sys.exit(main())
