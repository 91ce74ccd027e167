"""Block error rates of NR code blocks: probit lines by modulation, code rate and size."""

import csv
from functools import cache
from math import inf, isinf, log, sqrt
from pathlib import Path
from typing import Final, NamedTuple, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

TABLE: Final = Path(__file__).with_name("bler.csv")
"""Fitted lines. ``python -m benchmarks.nr_bler.fit`` makes the file from the simulated points."""
HIGHEST_RATE: Final = 0.95
"""Highest code rate that a device must decode: TS 38.214, 5.1.3."""


@final
class ErrorLine(NamedTuple):
    """Error line of a code block: its error rate is ``Q((SINR - median) / width)``, in dB."""

    median_db: float
    """SINR in dB at which every second block fails; infinite if the block cannot be decoded."""
    width_db: float
    """Change of the SINR in dB per standard deviation of the normal law."""

    def error_rate(self, sinr_db: ArrayLike) -> Float[ndarray, "..."]:
        """Return the block error rate at each SINR in dB."""
        from scipy.special import ndtr

        return np.asarray(ndtr((self.median_db - np.asarray(sinr_db, float)) / self.width_db))

    def sinr_db_at(self, error_rate: float) -> float:
        """Return the SINR in dB at a block error rate."""
        from scipy.special import ndtri

        return float(self.median_db - self.width_db * ndtri(error_rate))

    def towards(self, other: "ErrorLine", weight: float) -> "ErrorLine":
        """Return the line at equal error rates between this one (weight 0) and another (1)."""
        if weight == 0 or isinf(self.median_db):
            return self
        if isinf(other.median_db):
            return other
        median_db = self.median_db + weight * (other.median_db - self.median_db)
        width_db = self.width_db + weight * (other.width_db - self.width_db)
        return ErrorLine(median_db, max(width_db, 0.5 * self.width_db))


@final
class _Curve(NamedTuple):
    """Lines of one modulation and code rate by size."""

    rate: float
    bits: tuple[int, ...]
    lines: tuple[ErrorLine, ...]

    def at(self, bits: int) -> ErrorLine:
        """Return the line at a size in bits: linear in ``1 / sqrt(bits)``."""
        if bits <= self.bits[0]:
            return self.lines[0]
        if bits >= self.bits[-1]:
            return self.lines[-1]
        upper = next(index for index, size in enumerate(self.bits) if size >= bits)
        low, here, high = (1 / sqrt(n) for n in (self.bits[upper - 1], bits, self.bits[upper]))
        return self.lines[upper - 1].towards(self.lines[upper], (low - here) / (low - high))


@cache
def error_line(modulation_order: int, code_rate: float, bits: int) -> ErrorLine:
    """Return the error line of a code block.

    ``code_rate`` is that of the coded bits that are sent, ``bits`` the size with checksums. At
    equal error rate the SINR in dB is linear in ``1 / sqrt(bits)`` between the simulated sizes and
    linear in the logarithm of the code rate between the schemes of one modulation. Beyond the
    smallest and the largest size it is constant, beyond the outermost code rates it continues. A
    code rate above 0.95 is not decoded.
    """
    if code_rate > HIGHEST_RATE:
        return ErrorLine(inf, 1.0)
    curves = _curves()[modulation_order]
    upper = 1
    while upper < len(curves) - 1 and curves[upper].rate < code_rate:
        upper += 1
    low, high = curves[upper - 1], curves[upper]
    if code_rate == high.rate:
        return high.at(bits)
    weight = (log(code_rate) - log(low.rate)) / (log(high.rate) - log(low.rate))
    return low.at(bits).towards(high.at(bits), weight)


@cache
def _curves() -> dict[int, list[_Curve]]:
    """Return the curves of the table by modulation order, in ascending order of the code rate."""
    rows: dict[tuple[int, float], list[tuple[int, ErrorLine]]] = {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            key = int(row["modulation_order"]), float(row["rate_1024"]) / 1024
            line = ErrorLine(float(row["median_db"]), float(row["width_db"]))
            rows.setdefault(key, []).append((int(row["bits"]), line))
    curves: dict[int, list[_Curve]] = {}
    for (order, rate), sizes in sorted(rows.items()):
        bits, lines = zip(*sorted(sizes), strict=True)
        curves.setdefault(order, []).append(_Curve(rate, bits, lines))
    return curves
