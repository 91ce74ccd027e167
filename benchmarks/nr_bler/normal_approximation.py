"""Normal approximation of the block error rate of a code over QAM and AWGN."""

from functools import cache

import numpy as np
from numpy import ndarray
from numpy.polynomial.hermite import hermgauss
from scipy.optimize import brentq
from scipy.stats import norm

_NODES = 48
"""Gauss-Hermite nodes per dimension; 96 change the capacity of 256-QAM by less than 1e-6 bit."""


_SMALLEST = 1e-12
"""Dispersion in place of 0, which rounding gives at a high SINR."""


@cache
def capacity_and_dispersion(modulation_order: int, sinr_db: float) -> tuple[float, float]:
    """Return the capacity (bit) and dispersion (bit^2) of a QAM symbol with equal probabilities.

    The real and the imaginary part of NR's QAM are independent amplitude modulations, so both are
    twice those of one part. Source: Polyanskiy, Poor, Verdu, "Channel coding rate in the finite
    blocklength regime", IEEE Trans. Inf. Theory 56(5), 2010: mean and variance of the information
    density.
    """
    levels = 2 ** (modulation_order // 2)
    amplitudes = np.arange(1 - levels, levels, 2.0)
    amplitudes /= np.sqrt(np.mean(amplitudes**2))
    sigma = 10 ** (-sinr_db / 20)
    nodes, weights = hermgauss(_NODES)
    noise = np.sqrt(2) * sigma * nodes
    received = amplitudes[:, None] + noise  # sent x noise
    distance = received[:, :, None] - amplitudes  # sent x noise x candidate
    exponent = (noise**2)[None, :, None] - distance**2
    density = np.log2(levels) - np.logaddexp.reduce(exponent / (2 * sigma**2), axis=2) / np.log(2)
    weight = weights / np.sqrt(np.pi) / levels
    mean = float(np.sum(weight * density))
    variance = float(np.sum(weight * density**2)) - mean**2
    return 2 * mean, 2 * max(variance, _SMALLEST)


def error_rate(modulation_order: int, bits: int, coded_bits: int, sinr_db: float) -> float:
    """Return the block error rate ``Q((n C - k + log2(n) / 2) / sqrt(n V))`` over n symbols."""
    symbols = coded_bits / modulation_order
    capacity, dispersion = capacity_and_dispersion(modulation_order, sinr_db)
    margin = symbols * capacity - bits + np.log2(symbols) / 2
    return float(norm.sf(margin / np.sqrt(symbols * dispersion)))


def sinr_db_at(modulation_order: int, bits: int, coded_bits: int, target: float) -> float:
    """Return the SINR in dB at which the block error rate is the target."""
    return float(
        brentq(
            lambda sinr_db: error_rate(modulation_order, bits, coded_bits, sinr_db) - target,
            -30.0,
            40.0,
            xtol=1e-4,
        )
    )


def probit_slope(modulation_order: int, bits: int, coded_bits: int) -> float:
    """Return the decrease of the probit of the block error rate per dB, near one error in ten."""
    low, high = (sinr_db_at(modulation_order, bits, coded_bits, target) for target in (0.3, 0.03))
    change: ndarray = norm.ppf(0.3) - norm.ppf(0.03)
    return float(change / (high - low))
