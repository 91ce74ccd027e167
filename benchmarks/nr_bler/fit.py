"""Fit of NR's block error rates: the shipped table from the simulated points.

    python -m benchmarks.nr_bler.fit [POINTS.csv]

The line of a curve is fitted by maximum likelihood. A size without points continues the
two sizes below it: the median is linear in ``1 / sqrt(bits)``, the width proportional to it. Its
number of points is 0.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.nr_bler import normal_approximation
from benchmarks.nr_bler.chain import CodeBlock
from benchmarks.nr_bler.probit import ProbitLine
from benchmarks.nr_bler.simulate import TARGETS, Point, curves, read_points
from netsim.link.nr.block_errors import TABLE

POINTS: Final = Path(__file__).with_name("points.csv")
_UNDECODABLE: Final = 0.5
"""Block error rate that a block which cannot be decoded never falls below."""
_HEADER = """\
# Block error rates of NR code blocks over AWGN: Q((SINR - median_db) / width_db), SINR in dB.
# Simulated with the LDPC chain of Sionna PHY 2.2.0 (belief propagation, 20 iterations), fitted by
# maximum likelihood; points: number of simulated SINRs, 0 if continued from smaller blocks.
# Made by python -m benchmarks.nr_bler.fit.
modulation_order,rate_1024,bits,median_db,width_db,points
"""


def fitted(points: Sequence[Point]) -> ProbitLine:
    """Return the line of the points of one curve."""
    block = points[0].block
    slope = normal_approximation.probit_slope(
        block.scheme.modulation_order, block.bits, block.coded_bits
    )
    counts = [(point.sinr_db, point.words, point.block_errors) for point in points]
    return ProbitLine.fitted(counts, slope)


def table(points: Sequence[Point]) -> str:
    """Return the text of the shipped table."""
    by_block: dict[CodeBlock, list[Point]] = defaultdict(list)
    for point in points:
        by_block[point.block].append(point)
    lines: dict[CodeBlock, ProbitLine] = {}
    before: dict[object, list[CodeBlock]] = defaultdict(list)
    for block in curves():
        known = by_block[block]
        smaller = before[block.scheme]
        complete = len(known) >= len(TARGETS)
        if not complete and len(smaller) < 2:
            raise ValueError(f"{block} has {len(known)} points")
        lines[block] = (
            fitted(known) if complete else _continued([(b, lines[b]) for b in smaller], block)
        )
        smaller.append(block)
    rows = []
    for block in sorted(lines, key=lambda block: (block.scheme, block.bits)):
        scheme, line = block.scheme, lines[block]
        known = by_block[block] if len(by_block[block]) >= len(TARGETS) else []
        fails = bool(known) and min(point.error_rate for point in known) > _UNDECODABLE
        numbers = "inf,1" if fails else f"{line.median_db:.4f},{line.width_db:.4f}"
        address = f"{scheme.modulation_order},{scheme.rate_1024:g},{block.bits}"
        rows.append(f"{address},{numbers},{len(known)}\n")
    return _HEADER + "".join(rows)


def _continued(smaller: Sequence[tuple[CodeBlock, ProbitLine]], block: CodeBlock) -> ProbitLine:
    """Return the line of a size beyond the two largest sizes that have one."""
    (low, low_line), (high, high_line) = smaller[-2:]
    low_root, high_root, root = (size.bits**-0.5 for size in (low, high, block))
    weight = (low_root - root) / (low_root - high_root)
    median_db = low_line.median_db + weight * (high_line.median_db - low_line.median_db)
    return ProbitLine(median_db, high_line.width_db * root / high_root)


def main() -> None:
    """Write the shipped table from the simulated points."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("points", type=Path, nargs="?", default=POINTS)
    arguments = parser.parse_args()
    TABLE.write_text(table(read_points(arguments.points)), encoding="utf-8")


if __name__ == "__main__":
    main()
