"""Fit of the initial spectral efficiency: origin of the constants in the allocation solver.

``netsim.allocation.spectral_efficiency.initial_efficiency`` takes ``y = z + ln(1 + g(z))`` with a
fraction ``g(z) = z (1 + a1 z + a2 z^2 + a3 z^3) / (1 + b1 z + b2 z^2 + b3 z^3)``, z the logarithm
of the delay over the capacity floor. This script fits its six coefficients so that the maximum
relative error of y over ``1e-6 <= z <= 700`` is minimal, by least squares whose weights grow where
the error is large (Lawson's iteration). It prints the coefficients, their error and the error of
the constants in use. Run ``python docs/fit_spectral_efficiency.py``; it takes seconds.
"""

import sys
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import least_squares

from netsim.allocation.spectral_efficiency import efficiency, initial_efficiency

_ITERATIONS: Final = 60
_START: Final = np.array([0.5, 0.1, 1e-3, 1 / 3, 0.1, 1e-3])


def fraction(coefficients: Float[ndarray, " 6"], z: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return the approximation of g at each z."""
    a1, a2, a3, b1, b2, b3 = coefficients
    over = z * (1 + z * (a1 + z * (a2 + z * a3)))
    under = 1 + z * (b1 + z * (b2 + z * b3))
    return over / under


def fitted(
    z: Float[ndarray, " n"], y: Float[ndarray, " n"], iterations: int = _ITERATIONS
) -> tuple[Float[ndarray, " 6"], float]:
    """Return the coefficients of the minimum maximum error, and that error."""
    best = _START
    best_error = np.inf
    coefficients = _START
    weights = np.ones(len(z))

    def error(values: Float[ndarray, " 6"]) -> Float[ndarray, " n"]:
        return (z + np.log1p(fraction(values, z))) / y - 1

    for _ in range(iterations):
        scale = np.sqrt(weights)
        result = least_squares(
            lambda values, scale=scale: scale * error(values) * 1e5,
            coefficients,
            bounds=(0.0, np.inf),
            x_scale=_START,
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
        )
        coefficients = result.x
        misfit = np.abs(error(coefficients))
        if misfit.max() < best_error:
            best = coefficients
            best_error = float(misfit.max())
        weights = weights * misfit
        weights /= weights.mean()
    return best, best_error


def main() -> None:
    """Print the fit, and the error of the constants in use."""
    z = np.geomspace(1e-6, 700, 4000)
    y = efficiency(z)
    coefficients, error = fitted(z, y)
    in_use, _ = initial_efficiency(z)
    lines = (
        f"fitted: {', '.join(f'{value:.6g}' for value in coefficients)}",
        f"maximum relative error of y, fitted: {error:.3g}",
        f"maximum relative error of y, in use: {np.abs(in_use / y - 1).max():.3g}",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
