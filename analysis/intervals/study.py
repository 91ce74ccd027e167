"""Coverage that the 95 % intervals reached in the study of ``benchmarks/coverage.py``.

Written by ``python benchmarks/coverage.py --write``. Each number is the minimum over the statistics
of the study.
"""

from typing import Final

REACHED: Final[dict[str, dict[int, float]]] = {
    "mean": {3: 0.95, 5: 0.95, 10: 0.95, 30: 0.95},
    "quantile": {3: 0.95, 5: 0.95, 10: 0.95, 30: 0.95},
    "paired": {3: 0.95, 5: 0.95, 10: 0.95, 30: 0.95},
    "log": {3: 0.95, 5: 0.95, 10: 0.95, 30: 0.95},
}
"""Reached coverage by kind of interval and number of seeds."""
