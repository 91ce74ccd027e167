"""Coverage that the 95 % intervals reached in the study of ``benchmarks/coverage.py``.

Written by ``python benchmarks/coverage.py --write`` from 510 seeds. Each number is
the minimum over the statistics of the study, in 10,000 samples each.
"""

from typing import Final

REACHED: Final[dict[str, dict[int, float]]] = {
    "mean": {
        3: 0.94,
        4: 0.937,
        5: 0.943,
        6: 0.936,
        8: 0.939,
        10: 0.945,
        12: 0.942,
        15: 0.942,
        20: 0.944,
        30: 0.946,
        50: 0.944,
    },
    "median": {
        3: 0.0,
        4: 0.0,
        5: 0.0,
        6: 0.964,
        8: 0.99,
        10: 0.974,
        12: 0.958,
        15: 0.96,
        20: 0.954,
        30: 0.953,
        50: 0.963,
    },
    "log": {
        3: 0.939,
        4: 0.945,
        5: 0.947,
        6: 0.945,
        8: 0.947,
        10: 0.948,
        12: 0.945,
        15: 0.944,
        20: 0.949,
        30: 0.947,
        50: 0.946,
    },
    "quantile": {
        3: 0.936,
        4: 0.932,
        5: 0.93,
        6: 0.93,
        8: 0.93,
        10: 0.927,
        12: 0.93,
        15: 0.936,
        20: 0.938,
        30: 0.94,
        50: 0.942,
    },
    "paired": {
        3: 0.939,
        4: 0.935,
        5: 0.932,
        6: 0.932,
        8: 0.934,
        10: 0.932,
        12: 0.934,
        15: 0.937,
        20: 0.938,
        30: 0.942,
        50: 0.941,
    },
    "simultaneous": {
        3: 0.98,
        4: 0.98,
        5: 0.98,
        6: 0.986,
        8: 0.982,
        10: 0.981,
        12: 0.981,
        15: 0.984,
        20: 0.982,
        30: 0.98,
        50: 0.98,
    },
}
"""Reached coverage by kind of interval and number of seeds."""
