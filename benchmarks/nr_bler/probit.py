"""Probit line of a block error rate over the SINR in dB, fitted by maximum likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm


@final
@dataclass(frozen=True)
class ProbitLine:
    """Probit line: the block error rate is ``Q((SINR - median) / width)``, both in dB."""

    median_db: float
    """SINR in dB at which every second block fails."""
    width_db: float
    """Change of the SINR in dB per standard deviation of the normal law."""

    @staticmethod
    def fitted(
        counts: Sequence[tuple[float, int, int]], slope: float, prior_weight: float = 1.0
    ) -> "ProbitLine":
        """Return the line of maximum likelihood for ``(SINR in dB, words, block errors)``.

        ``slope`` in 1/dB comes from the normal approximation; the logarithm of the fitted slope
        has a normal prior around its own, of standard deviation 0.25, so that one point suffices.
        ``prior_weight = 0`` leaves the prior out.
        """
        sinr_db = np.array([count[0] for count in counts])
        words = np.array([count[1] for count in counts], float)
        failures = np.array([count[2] for count in counts], float)
        # A first guess that is finite even where no block or every block fails.
        guess = np.average(
            sinr_db + norm.ppf((failures + 0.5) / (words + 1)) / slope, weights=words
        )

        def loss(parameters: np.ndarray) -> float:
            scaled = (sinr_db - guess) * slope * np.exp(parameters[1]) - parameters[0]
            likelihood = failures * norm.logsf(scaled) + (words - failures) * norm.logcdf(scaled)
            return float(prior_weight * (parameters[1] / 0.25) ** 2 / 2 - likelihood.sum())

        shift, log_ratio = minimize(loss, np.zeros(2), method="Nelder-Mead", tol=1e-8).x
        width_db = float(np.exp(-log_ratio) / slope)
        return ProbitLine(float(guess + shift * width_db), width_db)

    def error_rate(self, sinr_db: float) -> float:
        """Return the block error rate at a SINR in dB."""
        return float(norm.sf((sinr_db - self.median_db) / self.width_db))

    def sinr_db_at(self, error_rate: float) -> float:
        """Return the SINR in dB at a block error rate."""
        return float(self.median_db + self.width_db * norm.isf(error_rate))
