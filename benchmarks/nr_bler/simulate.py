"""Simulation of NR's block error rates with Sionna PHY: one CSV line per point, resumable.

    nice -n 19 python -m benchmarks.nr_bler.simulate POINTS.csv [--part 0/2] [--sizes 24,64]

Curves are those of all schemes, from the smallest code blocks to the largest. A curve has points
near the block error rates of ``TARGETS``. The first SINR comes from the normal approximation, the
others from a fit to the points so far. A point ends at ``_ERRORS`` block errors. Random numbers
are addressed by scheme, sizes, SINR and batch, so the same command gives the same lines. Points in
the file are not simulated again.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from benchmarks.nr_bler import normal_approximation
from benchmarks.nr_bler.chain import Chain, CodeBlock, random_generator
from benchmarks.nr_bler.probit import ProbitLine
from netsim.link.nr.schemes import ALL_SCHEMES, Scheme

SIZES = (24, 64, 160, 400, 1056, 3824, 8448)
"""Nominal code-block sizes in bits, with CRC; 8,448 is the maximum of base graph 1."""
TARGETS = {0.1: (0.06, 0.16), 0.3: (0.2, 0.45), 0.025: (0.015, 0.0305), 0.7: (0.55, 0.85)}
"""Block error rates in order of simulation, and the range in which a point counts for each."""
_ERRORS = {False: 50, True: 200}
"""Block errors per point; 200 for blocks below 300 bits, whose curves are flat."""
_MAXIMUM_POINTS = 10
_HOPELESS_DB = 10.0
"""Distance from the normal approximation above which a curve is given up. The coded bits that are
sent need not determine the block: NR never sends the first 2 Z bits, and for 22 to 28 bits at rate
948/1024 most blocks fail at any SINR.
"""
COLUMNS = (
    "modulation_order",
    "rate_1024",
    "bits",
    "coded_bits",
    "base_graph",
    "sinr_cdb",
    "words",
    "block_errors",
    "seed",
)


@final
@dataclass(frozen=True)
class Point:
    """Point of a curve: words and block errors at one SINR, a line of the file."""

    block: CodeBlock
    sinr_cdb: int
    """SINR in hundredths of a decibel: energy per symbol over noise power."""
    words: int
    block_errors: int
    seed: int

    @property
    def sinr_db(self) -> float:
        """SINR in decibels."""
        return self.sinr_cdb / 100

    @property
    def error_rate(self) -> float:
        """Block error rate."""
        return self.block_errors / self.words

    def row(self) -> tuple[object, ...]:
        """Return the values of the line, in the order of ``COLUMNS``."""
        block = self.block
        address = (block.scheme.modulation_order, f"{block.scheme.rate_1024:g}", block.bits)
        counts = (self.sinr_cdb, self.words, self.block_errors, self.seed)
        return (*address, block.coded_bits, block.base_graph, *counts)

    @staticmethod
    def of_row(row: dict[str, str]) -> "Point":
        """Return the point of a line."""
        scheme = Scheme(int(row["modulation_order"]), float(row["rate_1024"]))
        block = CodeBlock(scheme, int(row["bits"]), int(row["coded_bits"]))
        counts = (row["sinr_cdb"], row["words"], row["block_errors"], row["seed"])
        return Point(block, *map(int, counts))


def read_points(path: Path) -> list[Point]:
    """Return the points of a file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [Point.of_row(row) for row in csv.DictReader(file)]


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write points to a file, sorted by address."""
    rows = sorted(points, key=lambda point: (point.block.scheme, point.block.bits, point.sinr_cdb))
    path.write_text("".join(_line(row) for row in (COLUMNS, *(point.row() for point in rows))))


def curves(sizes: Sequence[int] = SIZES) -> Iterator[CodeBlock]:
    """Return the code blocks of all curves, the smallest first.

    Base graph 2 has at most 3,840 bits and carries all rates of at most 1/4, so the largest size
    has no curve of these rates.
    """
    for size in sizes:
        for scheme in ALL_SCHEMES:
            if size <= 3840 or scheme.code_rate > 0.25:
                yield CodeBlock.near(scheme, size)


def simulate_point(chain: Chain, sinr_cdb: int, *, errors: int, seed: int) -> Point:
    """Return a point after a number of block errors.

    A point whose error rate is certainly below the lowest target ends early; its count remains
    valid. Batches are of fixed size, so the count does not depend on the machine.
    """
    bits = chain.block.bits
    batch_words = 256 if bits < 300 else 64 if bits < 2000 else 16
    words = block_errors = batch = 0
    while block_errors < errors and not (words > 6 * errors and block_errors < words / 120):
        rng = random_generator(chain.block, sinr_cdb, batch, seed)
        block_errors += int(chain.block_errors(sinr_cdb / 100, batch_words, rng).sum())
        words += batch_words
        batch += 1
    return Point(chain.block, sinr_cdb, words, block_errors, seed)


def simulate_curve(block: CodeBlock, known: Sequence[Point], seed: int) -> Iterator[Point]:
    """Yield the points that a curve still lacks.

    ``known`` are its points so far. They decide the next SINR exactly as if they had just been
    simulated, so an interrupted curve continues to the same points.
    """
    points: list[Point] = []
    stored = {point.sinr_cdb: point for point in known}
    errors = _ERRORS[block.bits < 300]
    chain: Chain | None = None
    while len(points) < _MAXIMUM_POINTS:
        target = _missing_target(points, errors)
        if target is None:
            return
        sinr_cdb = _next_sinr_cdb(block, points, target)
        if sinr_cdb / 100 > _limit_db(block, target) + _HOPELESS_DB:
            return
        point = stored.get(sinr_cdb)
        if point is None:
            chain = Chain(block) if chain is None else chain
            point = simulate_point(chain, sinr_cdb, errors=errors, seed=seed)
            yield point
        points.append(point)


def _missing_target(points: Sequence[Point], errors: int) -> float | None:
    """Return the first target without a point; None if all have one."""
    complete = [point.error_rate for point in points if point.block_errors >= errors]
    for target, (low, high) in TARGETS.items():
        if not any(low <= error_rate <= high for error_rate in complete):
            return target
    return None


def _next_sinr_cdb(block: CodeBlock, points: Sequence[Point], target: float) -> int:
    """Return the SINR for a target in 0.01 dB by the fit so far, at a place without a point."""
    order, bits, coded_bits = block.scheme.modulation_order, block.bits, block.coded_bits
    slope = normal_approximation.probit_slope(order, bits, coded_bits)
    if points:
        counts = [(point.sinr_db, point.words, point.block_errors) for point in points]
        sinr_db = ProbitLine.fitted(counts, slope).sinr_db_at(target)
    else:
        sinr_db = _limit_db(block, target) + (1.0 if bits < 300 else 0.7)
    sinr_cdb = round(100 * sinr_db)
    while any(point.sinr_cdb == sinr_cdb for point in points):
        sinr_cdb += 1 if target < 0.05 else -1
    return sinr_cdb


def _limit_db(block: CodeBlock, target: float) -> float:
    """Return the SINR in dB of the normal approximation at a block error rate."""
    order = block.scheme.modulation_order
    return normal_approximation.sinr_db_at(order, block.bits, block.coded_bits, target)


def _line(values: Iterable[object]) -> str:
    return ",".join(map(str, values)) + "\n"


def main() -> None:
    """Simulate the curves that a file lacks, and append their points to it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("points", type=Path)
    parser.add_argument("--part", default="0/1", help="part i of n of the curves, i/n")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    part, parts = map(int, arguments.part.split("/"))
    if not arguments.points.exists():
        arguments.points.write_text(_line(COLUMNS))
    points = read_points(arguments.points)
    blocks = list(curves([int(size) for size in arguments.sizes.split(",")]))
    for number, block in enumerate(blocks[part::parts]):
        known = [point for point in points if point.block == block and point.seed == arguments.seed]
        for point in simulate_curve(block, known, arguments.seed):
            with arguments.points.open("a") as file:
                file.write(_line(point.row()))
        print(f"{number + 1} of {len(blocks[part::parts])} curves: {block}", file=sys.stderr)


if __name__ == "__main__":
    main()
