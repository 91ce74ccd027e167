"""What writing the tables costs beyond what pyarrow needs for the same finished columns, and how
large they are.

Prints the ratio of the two processor times, measured by turns in one run, and the bytes for each
device and round, for 1,000 devices and for the paper's 20. Fails above a ratio of 3 (for 1,000
devices; with 20, thousands of tiny arrays have to be brought together for every column, and the
ratio is only told), or above 40 bytes (devices at rest) and 80 bytes (moving devices). Processor
time, because other work on the machine is not what is compared.
"""

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # another file's name there would hide a package

import pyarrow as pa
import pyarrow.parquet as pq
import simpy

from coupling import Scenario
from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.schema import TABLES
from coupling.run_directory.writer import TableWriter, Values
from coupling.simulation.build import build_protocol
from coupling.simulation.learning import Learning
from coupling.simulation.round_loop import Rounds
from coupling.simulation.world import ScenarioWorld

SIZES = ((1000, 200), (20, 5000))
"""Devices and rounds."""
TURNS = 7
LIMIT_RATIO = 3.0
LIMIT_BYTES = {"static": 40.0, "moving": 80.0}
BASE = Path(__file__).resolve().parent.parent / "scenarios" / "paper" / "base.toml"
MOTION = {
    "static": {"kind": "static"},
    "moving": {
        "kind": "gauss_markov",
        "sigma_mps": 1.5,
        "correlation_time_s": 60.0,
        "step_s": 10.0,
    },
}

Added = tuple[str, int, Mapping[str, Values]]


class Listener:
    """Stands in a recorder's place and keeps what a real run adds, round by round."""

    def __init__(self) -> None:
        self.rounds: list[list[Added]] = [[]]

    def add(self, table: str, rows: int, values: Mapping[str, Values]) -> None:
        """Keep rows."""
        self.rounds[-1].append((table, rows, values))

    def end_round(self) -> None:
        """Begin the next round."""
        self.rounds.append([])


def rows_of_a_run(motion: str, devices: int, rounds: int) -> list[list[Added]]:
    """Return what the simulation adds in every round; every device is a row, some are scheduled."""
    scenario = Scenario.load(
        BASE,
        {
            "rounds": rounds,
            "devices.count": devices,
            "devices.mobility": MOTION[motion],
            "scheduler": {"kind": "aaba", "delay_budget_s": 52.0},
            "world_clock": "round",
            "round_period_s": 52.0,
        },
    )
    env, world, learning, listener = (
        simpy.Environment(),
        ScenarioWorld(scenario),
        Learning(),
        Listener(),
    )
    Rounds(
        env,
        scenario,
        world,
        scenario.policy(),
        build_protocol(env, scenario, learning, world.streams),
        learning,
        listener,  # type: ignore[arg-type]  # the two methods that rounds call
        RunState.initial(devices, 0.0),
        lambda report: False,
    ).run()
    return listener.rounds


def record(folder: Path, rounds: list[list[Added]]) -> float:
    """Return the seconds that the recorder takes."""
    recorder = TableWriter(folder)
    began = time.process_time()
    for added in rounds:
        for table, rows, values in added:
            recorder.add(table, rows, values)
        recorder.end_round()
    recorder.flush()
    return time.process_time() - began


def write(folder: Path, finished: dict[Path, pa.Table]) -> float:
    """Return the seconds that pyarrow takes for the same parts."""
    folder.mkdir()
    began = time.process_time()
    for number, table in enumerate(finished.values()):
        pq.write_table(table, folder / f"{number}.parquet", compression="zstd")
    return time.process_time() - began


def measure(motion: str, devices: int, count: int) -> tuple[float, float]:
    """Return the ratio of the times and the bytes for each device and round."""
    rounds = rows_of_a_run(motion, devices, count)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record(folder / "first", rounds)
        parts = sorted((folder / "first").rglob("*.parquet"))
        finished = {part: pq.read_table(part) for part in parts}
        rows = sum(
            table.num_rows for part, table in finished.items() if part.parent.name == "devices"
        )
        assert rows == devices * count, "every device and round is a row"
        assert {part.parent.name for part in parts} == set(TABLES), "no table was left out"
        ratios = []
        for turn in range(TURNS):
            ours = record(folder / f"ours-{turn}", rounds)
            ratios.append(ours / write(folder / f"pyarrow-{turn}", finished))
        size = sum(part.stat().st_size for part in parts if part.parent.name == "devices")
    return statistics.median(ratios), size / rows


def main() -> int:
    failed = False
    for (devices, rounds), (motion, limit_bytes) in itertools.product(SIZES, LIMIT_BYTES.items()):
        ratio, size = measure(motion, devices, rounds)
        failed |= (ratio > LIMIT_RATIO and devices == SIZES[0][0]) or size > limit_bytes
        print(
            f"trace, {devices} {motion} devices: {ratio:.2f} times pyarrow's time (limit {LIMIT_RATIO:g}), "
            f"{size:.1f} bytes for each device and round (limit {limit_bytes:g})"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
