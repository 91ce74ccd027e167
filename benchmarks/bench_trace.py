"""Cost of writing the tables relative to pyarrow for the same finished columns, and their size.

Prints the ratio of the two processor times, measured by turns in one run, and the bytes per device
and round, for 1,000 devices and for the paper's 20. With 20 devices, thousands of tiny arrays have
to be joined for every column.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

import coupling
from benchmarks import common
from benchmarks.common import BASE, Report, timed
from benchmarks.workloads import MOVING
from coupling.run_directory.schema import TABLES
from coupling.run_directory.writer import Tables, TableWriter

SIZES: Final = ((1000, 200), (20, 5000))
"""Devices and rounds."""
TURNS: Final = 7
MAXIMUM_RATIO: Final = {1000: 3.0, 20: 2.0}
MAXIMUM_BYTES: Final = {"static": 40.0, "moving": 80.0}


def tables_of_a_run(motion: str, devices: int, rounds: int) -> list[Tables]:
    """Return the rows that the simulation writes in every round; each device is a row."""
    overrides = {**MOVING, "rounds": rounds, "devices.count": devices}
    if motion == "static":
        overrides["devices.mobility"] = {"kind": "static"}
    written: list[Tables] = []
    patch = mock.patch.object(TableWriter, "write", lambda _, tables: written.append(tables))
    with patch, tempfile.TemporaryDirectory() as folder:
        scenario = coupling.Scenario.load(BASE, overrides)
        coupling.run(scenario, Path(folder) / "run", learning=False)
    return written


def write_rounds(folder: Path, rounds: Sequence[Tables]) -> None:
    """Write the tables with the table writer of a run."""
    writer = TableWriter(folder)
    for tables in rounds:
        writer.write(tables)
    writer.flush()


def write_finished(folder: Path, tables: Sequence[pa.Table]) -> None:
    """Write the same parts with pyarrow alone."""
    folder.mkdir()
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet", compression="zstd")


def ratio_and_bytes(motion: str, devices: int, count: int) -> tuple[float, float]:
    """Return the ratio of the times, and the bytes per device and round."""
    rounds = tables_of_a_run(motion, devices, count)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_rounds(folder / "first", rounds)
        parts = sorted((folder / "first").rglob("*.parquet"))
        assert {part.parent.name for part in parts} == set(TABLES), "no table was left out"
        tables = [pq.read_table(part) for part in parts]
        device_parts = [part for part in parts if part.parent.name == "devices"]
        rows = sum(pq.read_metadata(part).num_rows for part in device_parts)
        assert rows == devices * count, "every device and round is a row"
        ratios = []
        for turn in range(TURNS):
            ours_s = timed(lambda turn=turn: write_rounds(folder / f"ours-{turn}", rounds))
            theirs_s = timed(lambda turn=turn: write_finished(folder / f"pyarrow-{turn}", tables))
            ratios.append(ours_s / theirs_s)
        size = sum(part.stat().st_size for part in device_parts)
    return statistics.median(ratios), size / rows


def measure(report: Report) -> None:
    """Report time and size of all numbers of devices, at rest and moving."""
    for devices, rounds in SIZES:
        for motion, maximum_bytes in MAXIMUM_BYTES.items():
            ratio, size = ratio_and_bytes(motion, devices, rounds)
            text = f"{devices} {motion} devices"
            report.maximum(f"{text}, time over pyarrow's", ratio, MAXIMUM_RATIO[devices])
            report.maximum(f"{text}, bytes per device and round", size, maximum_bytes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; return the exit status."""
    given = common.parser(__doc__).parse_args(arguments)
    report = Report("trace")
    if given.against:
        common.against(report, given.against, ["trace"], given.pairs)
    else:
        measure(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
