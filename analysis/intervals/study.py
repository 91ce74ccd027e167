"""Coverage that the 95 % intervals reached in the study of ``benchmarks/coverage.py``.

Written by ``python benchmarks/coverage.py --write`` from 510 seeds. Each number is
the minimum over the statistics of the study, in 10,000 samples each.
"""

from typing import Final

REACHED: Final[dict[str, dict[int, float]]] = {
    "mean": {
        3: 0.937,
        4: 0.937,
        5: 0.943,
        6: 0.936,
        8: 0.939,
        10: 0.946,
        12: 0.942,
        15: 0.942,
        20: 0.947,
        30: 0.944,
        50: 0.947,
    },
    "median": {
        3: 0.0,
        4: 0.0,
        5: 0.0,
        6: 0.964,
        8: 0.99,
        10: 0.975,
        12: 0.956,
        15: 0.961,
        20: 0.953,
        30: 0.952,
        50: 0.963,
    },
    "log": {
        3: 0.942,
        4: 0.939,
        5: 0.945,
        6: 0.945,
        8: 0.947,
        10: 0.947,
        12: 0.945,
        15: 0.944,
        20: 0.947,
        30: 0.947,
        50: 0.946,
    },
    "quantile": {
        3: 0.939,
        4: 0.933,
        5: 0.934,
        6: 0.933,
        8: 0.934,
        10: 0.932,
        12: 0.937,
        15: 0.934,
        20: 0.941,
        30: 0.94,
        50: 0.941,
    },
    "paired": {
        3: 0.938,
        4: 0.934,
        5: 0.933,
        6: 0.932,
        8: 0.935,
        10: 0.932,
        12: 0.938,
        15: 0.939,
        20: 0.94,
        30: 0.94,
        50: 0.943,
    },
    "simultaneous": {
        3: 0.98,
        4: 0.98,
        5: 0.983,
        6: 0.984,
        8: 0.982,
        10: 0.98,
        12: 0.981,
        15: 0.982,
        20: 0.981,
        30: 0.98,
        50: 0.979,
    },
}
"""Reached coverage by kind of interval and number of seeds."""
